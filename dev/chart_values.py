"""Writes the table of values in the chart's README from its schema and its values: `make chart-docs`.

A value's meaning stands once, as its `description` in values.schema.json. `--check` only says if the table differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "helm" / "mentu-operator"
README, SCHEMA, VALUES = CHART / "README.md", CHART / "values.schema.json", CHART / "values.yaml"
HEADING = "## Values\n"
HEAD = "\n| value | default | meaning |\n| --- | --- | --- |\n"


class Undescribed(Exception):
    """Values that the schema does not know or says nothing about."""


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths that a user would set; resources are one value."""
    if not isinstance(values, dict) or not values or "requests" in values:
        yield path, values
        return
    for key, value in values.items():
        yield from leaves(value, f"{path}.{key}".lstrip("."))


def described(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for part in path.split("."):
        schema = (schema.get("properties") or {}).get(part) or {}
    return schema


def table(schema: dict[str, Any], values: dict[str, Any]) -> str:
    found = [(path, value, described(schema, path)) for path, value in leaves(values)]
    if silent := [path for path, _, node in found if not node.get("description")]:
        raise Undescribed(f"values.schema.json has no description of {', '.join(silent)}")
    rows = [f"| `{path}` | {shown(value, node)} | {node['description']} |" for path, value, node in found]
    return HEAD + "\n".join(rows) + "\n"


def shown(value: Any, node: dict[str, Any]) -> str:
    """`x-default` says in words what would be too long."""
    text = value if isinstance(value, str) else json.dumps(value)
    return str(node.get("x-default") or (f"`{text}`" if text else ""))


def written() -> str:
    schema, values = json.loads(SCHEMA.read_text()), yaml.safe_load(VALUES.read_text())
    before, heading, _ = README.read_text().partition(HEADING)
    return before + heading + table(schema, values)


if __name__ == "__main__":
    wanted = written()
    if "--check" not in sys.argv:
        README.write_text(wanted)
    elif README.read_text() != wanted:
        sys.exit(f"{README}: differs from values.yaml and values.schema.json, run `make chart-docs`")
