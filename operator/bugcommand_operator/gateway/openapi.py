"""The OpenAPI document at /openapi.json, put together from the table of operations in `openapi_operations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

Schema = Mapping[str, Any]
Problem = Literal["Refusal", "RestError"]


@dataclass(frozen=True)
class Parameter:
    name: str
    text: str
    where: Literal["query", "header", "path"] = "query"
    required: bool = False
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    example: Any = None

    def as_dict(self) -> dict[str, Any]:
        required = {"required": True} if self.required or self.where == "path" else {}
        example = {"example": self.example} if self.example is not None else {}
        shape = {"name": self.name, "in": self.where, "description": self.text, "schema": dict(self.schema)}
        return {**shape, **required, **example}


@dataclass(frozen=True)
class Answer:
    text: str
    media: str = ""
    schema: Schema = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        content = {"content": {self.media: {"schema": dict(self.schema)}}} if self.media else {}
        return {"description": self.text, **content}


@dataclass(frozen=True)
class Operation:
    """One method of one path. `problems` says in what shape its refusals are; without one it has none."""

    path: str
    method: Literal["get", "post"]
    summary: str
    answers: Mapping[int, Answer]
    text: str = ""
    parameters: Sequence[Parameter] = ()
    body: Schema | None = None
    refuses: Mapping[int, str] = field(default_factory=dict)
    problem: Problem | None = None
    tag: str = "operations"
    open_to_all: bool = False

    def as_dict(self) -> dict[str, Any]:
        shape = {"$ref": f"#/components/schemas/{self.problem}"}
        refusals = {status: Answer(text, "application/json", shape) for status, text in self.refuses.items()}
        answers = {str(status): answer.as_dict() for status, answer in sorted({**self.answers, **refusals}.items())}
        content = {"application/json": {"schema": dict(self.body or {})}}
        body = {"requestBody": {"required": True, "content": content}}
        return {
            "operationId": self.method + self.path.replace("/", "_").replace("{", "").replace("}", ""),
            "tags": [self.tag],
            "summary": self.summary,
            **({"description": self.text} if self.text else {}),
            **({"parameters": [parameter.as_dict() for parameter in self.parameters]} if self.parameters else {}),
            **(body if self.body is not None else {}),
            "responses": answers,
            **({"security": []} if self.open_to_all else {}),
        }


@cache
def document() -> dict[str, Any]:
    from bugcommand_operator.gateway.openapi_operations import OPERATIONS, SCHEMAS

    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = operation.as_dict()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mentu log gateway",
            "version": _version(),
            "description": "Logs of coding agents: taken in, kept, read, searched and followed.",
        },
        "security": [{"bearer": []}, {"apikey": []}, {"proxyToken": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A Kubernetes token or a proxy token."},
                "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
                "proxyToken": {"type": "apiKey", "in": "header", "name": "X-Proxy-Token"},
            },
            "schemas": SCHEMAS,
        },
    }


def _version() -> str:
    try:
        return version("mentu-operator")
    except PackageNotFoundError:
        return "0"


@cache
def _encoded() -> bytes:
    import json

    return json.dumps(document(), separators=(",", ":")).encode()


async def endpoint(_request: Request) -> Response:
    return Response(_encoded(), media_type="application/json")
