"""CustomResourceDefinitions made from the pydantic models. Pure: returns dicts; writing them is `dev/generate_crds.py`.

The API server wants a *structural* schema: references inlined, one type a node, no titles, nullable by absence.
"""

from __future__ import annotations

from typing import Any

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.bugcommand import BugCommandSpec, BugCommandStatus, immutable_after_claim
from bugcommand_operator.api.executor import ExecutorSpec, ExecutorStatus
from bugcommand_operator.api.model import Model, rule
from bugcommand_operator.api.names import CATEGORY, GROUP, MAX_COMMAND_NAME, VERSION
from bugcommand_operator.api.repository import RepositorySpec

Schema = dict[str, Any]
Column = dict[str, Any]
MAX_REPOSITORY_NAME = 54  # the mirror's and the checkout's names add nine characters, and labels end at 63


def bugcommand_crd() -> Schema:
    name_rule = rule(
        f"size(self.metadata.name) <= {MAX_COMMAND_NAME}",
        f"metadata.name must be at most {MAX_COMMAND_NAME} characters",
    )
    return _crd(
        kind="BugCommand",
        plural="bugcommands",
        short="bug",
        spec=_schema(BugCommandSpec),
        status=_schema(BugCommandStatus),
        rules=[name_rule, immutable_after_claim()],
        columns=[
            _column("Phase", ".status.phase"),
            _column("Reason", ".status.conditions[?(@.type=='Succeeded')].reason"),
            _column("Agent", ".status.agent"),
            _column("Repository", ".spec.repository.name"),
            _column("Lines", ".status.logs.lines", type="integer", priority=1),
            _column("Place", ".status.queuePosition", type="integer", priority=1),
            _column("Machine", ".status.claim.machine", priority=1),
            _column("Branch", ".status.branch", priority=1),
            _column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
            _age(),
        ],
    )


def repository_crd() -> Schema:
    return _crd(
        kind="Repository",
        plural="repositories",
        short="brepo",
        spec=_schema(RepositorySpec),
        status=_open_status(),
        rules=[
            rule(
                f"size(self.metadata.name) <= {MAX_REPOSITORY_NAME}",
                f"metadata.name must be at most {MAX_REPOSITORY_NAME} characters",
            )
        ],
        columns=[
            _column("URL", ".spec.url"),
            _column("Branch", ".spec.defaultBranch"),
            _column("Genesis", ".spec.genesisPolicy", priority=1),
            _age(),
        ],
    )


def agent_crd() -> Schema:
    return _crd(
        kind="Agent",
        plural="agents",
        short="bagent",
        spec=_schema(AgentSpec),
        status=_open_status(),
        rules=[],
        columns=[
            _column("Image", ".spec.image"),
            _column("Transcript", ".spec.transcript", priority=1),
            _column("BaseURL", ".spec.baseURL", priority=1),
            _age(),
        ],
    )


def executor_crd() -> Schema:
    return _crd(
        kind="Executor",
        plural="executors",
        short="exec",
        spec=_schema(ExecutorSpec),
        status=_schema(ExecutorStatus),
        rules=[],
        columns=[
            _column("Machine", ".spec.machineId"),
            _column("Running", ".status.running", type="integer"),
            _column("Capacity", ".spec.capacity", type="integer"),
            _column("Degraded", '.status.conditions[?(@.type=="Degraded")].status'),
            _column("Solo", ".spec.solo", type="boolean"),
            _column("Type", ".spec.type", priority=1),
            _column("Pid", ".status.pid", priority=1),
            _column("Started", ".status.startedAt", type="date"),
            _age(),
        ],
    )


def all_crds() -> dict[str, Schema]:
    """File name → CustomResourceDefinition."""
    crds = [bugcommand_crd(), repository_crd(), agent_crd(), executor_crd()]
    return {f"{crd['metadata']['name']}.yaml": crd for crd in crds}


def _column(name: str, path: str, *, type: str = "string", priority: int = 0) -> Column:  # noqa: A002
    column: Column = {"name": name, "type": type, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _age() -> Column:
    return _column("Age", ".metadata.creationTimestamp", type="date")


def _open_status() -> Schema:
    return {"type": "object", "description": "Reserved.", "x-kubernetes-preserve-unknown-fields": True}


def _crd(
    *,
    kind: str,
    plural: str,
    short: str,
    spec: Schema,
    status: Schema,
    rules: list[dict[str, str]],
    columns: list[Column],
) -> Schema:
    schema: Schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    if rules:
        schema["x-kubernetes-validations"] = rules
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _schema(model: type[Model]) -> Schema:
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolve(node, definitions)
    kept = {k: v for k, v in node.items() if k not in {"title", "$defs", "additionalProperties", "properties", "items"}}
    if kept.get("default", ...) is None:
        del kept["default"]
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if "properties" in node:
        kept["properties"] = {k: _structural(v, definitions) for k, v in node["properties"].items()}
    if "items" in node:
        kept["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        kept["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    return kept


def _resolve(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follows a reference and drops the `null` of an optional field; what stands beside either is kept."""
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        beside = {k: v for k, v in node.items() if k != "$ref"}
        return _resolve({**target, **beside}, definitions)
    options = [option for option in node.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1 and "x-kubernetes-int-or-string" not in node:
        beside = {k: v for k, v in node.items() if k != "anyOf"}
        return _resolve({**options[0], **beside}, definitions)
    return node
