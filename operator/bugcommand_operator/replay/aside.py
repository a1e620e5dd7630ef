"""Answers to what the agent asks beside its conversation (title, quota probe), and token counts. Pure."""

from __future__ import annotations

import json
from typing import Any

from bugcommand_operator.replay.scenario import Usage

TITLE = "Fix the bug"


def reply(body: dict[str, Any]) -> str:
    """A short text, or JSON that fits the schema that was asked for."""
    schema = _schema(body)
    return TITLE if schema is None else json.dumps(example(schema))


def _config(body: dict[str, Any]) -> dict[str, Any]:
    config = body.get("output_config")
    return config if isinstance(config, dict) else {}


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema the answer must follow, wherever this version of the API puts it."""
    for place in (body.get("output_format"), _config(body).get("format")):
        if isinstance(place, dict) and isinstance(place.get("schema"), dict):
            return dict(place["schema"])
    return None


def example(schema: dict[str, Any], depth: int = 0) -> Any:
    """A small value that fits a JSON schema."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object" and depth < 8:
        properties = schema.get("properties") or {}
        return {name: example(item, depth + 1) for name, item in properties.items()}
    plain: dict[str, Any] = {
        "string": TITLE,
        "boolean": False,
        "integer": 0,
        "number": 0,
        "array": [],
    }
    return plain.get(kind if isinstance(kind, str) else "null")


def estimate(body: dict[str, Any], said: list[dict[str, Any]]) -> Usage:
    """About four characters a token, which is close enough to be believed."""
    return Usage(input_tokens=count_tokens(body), output_tokens=max(1, len(json.dumps(said)) // 4))


def count_tokens(body: dict[str, Any]) -> int:
    counted = {name: body.get(name) for name in ("system", "messages", "tools")}
    return max(1, len(json.dumps(counted)) // 4)
