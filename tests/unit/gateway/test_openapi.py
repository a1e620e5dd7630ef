"""The OpenAPI document is whole, and tells of each route that there is and of no other."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route, WebSocketRoute
from tests.unit.gateway.builders import KnownReaders, KnownTokens

from bugcommand_operator.gateway.app import build_app
from bugcommand_operator.gateway.cluster_link import ClusterLink
from bugcommand_operator.gateway.openapi import document
from bugcommand_operator.gateway.settings import GatewaySettings

DOCUMENT = document()
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def routes() -> list[Any]:
    settings = GatewaySettings(database_url="sqlite+aiosqlite:///nowhere/logs.db", bridge_enabled=True)
    writers: Any = KnownReaders()
    return list(build_app(settings, KnownTokens(), KnownReaders(), ClusterLink("", "mentu"), writers).routes)


def everything(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything(inner)


def test_each_route_is_in_the_document_and_nothing_else() -> None:
    there_are = {
        (route.path, method.lower())
        for route in routes()
        if isinstance(route, Route) and route.include_in_schema
        for method in (route.methods or ())
        if method != "HEAD"
    }
    # OpenAPI has no word for a WebSocket: its handshake is the GET that it begins with.
    there_are |= {(route.path, "get") for route in routes() if isinstance(route, WebSocketRoute)}
    assert {(path, method) for path, method, _ in OPERATIONS} == there_are


def test_references_lead_somewhere_and_nothing_is_defined_in_vain() -> None:
    named = {
        item["$ref"] for item in everything(DOCUMENT) if isinstance(item, dict) and isinstance(item.get("$ref"), str)
    }
    assert named == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


def test_the_document_has_the_shape_that_openapi_asks_for() -> None:
    assert re.fullmatch(r"3\.1\.\d", DOCUMENT["openapi"])
    assert {"title", "version"} <= set(DOCUMENT["info"])
    schemes = set(DOCUMENT["components"]["securitySchemes"])
    assert {name for choice in DOCUMENT["security"] for name in choice} == schemes
    identifiers = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:40])
def test_each_operation_is_whole(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["responses"], "an operation has answers"
    for status, answer in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d", status)
        assert answer["description"]
    parameters = operation.get("parameters", [])
    places = [(parameter["name"], parameter["in"]) for parameter in parameters]
    assert len(set(places)) == len(places)
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert all("schema" in parameter for parameter in parameters)
    assert method == "post" or "requestBody" not in operation


async def test_it_needs_no_token(tmp_path: Any) -> None:
    from tests.unit.gateway.builders import open_gateway

    async with open_gateway(tmp_path) as gateway:
        answer = await gateway.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT
