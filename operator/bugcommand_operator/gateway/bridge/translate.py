"""A bridge command → a BugCommand. Pure: the same row makes the same object, whoever makes it and however often.

The name comes from the row's id, so that the API server itself refuses a second one.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from bugcommand_operator.api.approval import Approval
from bugcommand_operator.api.bugcommand import AgentMode, BugCommandSpec
from bugcommand_operator.api.model import LocalReference
from bugcommand_operator.api.names import API_VERSION, GROUP
from bugcommand_operator.gateway.bridge.paths import KnownRepository, place
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.request import BridgeCommand

LABEL_BRIDGE = f"{GROUP}/bridge-command"
"""On every BugCommand of the bridge; its value is the row's id."""
ANNOTATION_MEMORY = f"{GROUP}/memory-id"
ANNOTATION_DIGEST = f"{GROUP}/request-digest"
ANNOTATION_SENDER = f"{GROUP}/requested-by"

# What an agent is always given here, so that asking for it changes nothing.
_IMPLIED = frozenset({"--dangerously-skip-permissions", "--verbose"})
_HEADLESS = frozenset({"-p", "--print"})

Raw = dict[str, Any]


def name_of(command_id: str) -> str:
    return f"bridge-{command_id}"


def translate(
    command: BridgeCommand,
    command_id: str,
    namespace: str,
    repositories: Iterable[KnownRepository],
    *,
    allowed: frozenset[str] | None = None,
) -> Raw:
    """The BugCommand's manifest. Raises `Untranslatable`."""
    where = place(command.working_directory or "", command.repository, repositories, namespace, allowed=allowed)
    chosen: Raw = {
        "prompt": command.prompt,
        "repository": LocalReference(name=where.repository),
        "working_directory": where.working_directory,
        "command_id": command_id,
        "agent": command.agent,
        "commitment_id": command.commitment,
        "timeout_seconds": command.timeout,
        "target_machine": command.target_machine_id,
        "with_worktree": command.with_worktree,
        "agent_mode": _mode(command.flags or []),
        "approval": Approval.REQUIRED if command.approval_required else None,
    }
    annotations = {ANNOTATION_MEMORY: command.memory} if command.memory else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "BugCommand",
        "metadata": {
            "name": name_of(command_id),
            "namespace": namespace,
            "labels": {LABEL_BRIDGE: command_id},
            "annotations": annotations,
        },
        "spec": _spec(chosen),
    }


def is_ours(existing: Raw, wanted: Raw) -> bool:
    """Whether an object that has our name is the one that we would have made: then it was."""
    return is_made_for(existing, wanted["spec"]["commandId"], wanted["spec"].get("prompt"))


def is_made_for(existing: Raw, command_id: str, prompt: object) -> bool:
    """The same, of the row alone: it holds whatever a manifest of today would look like."""
    label = (existing["metadata"].get("labels") or {}).get(LABEL_BRIDGE)
    spec = existing.get("spec") or {}
    return label == spec.get("commandId") == command_id and spec.get("prompt") == prompt


def _spec(chosen: Raw) -> Raw:
    """Only what was asked for: the defaults are the API server's to fill in."""
    try:
        spec = BugCommandSpec(**{field: value for field, value in chosen.items() if value not in (None, "")})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Untranslatable("InvalidField", f"{field}: {first['msg']}", field=field) from error
    return spec.model_dump(by_alias=True, exclude_unset=True, exclude_none=True, mode="json")


def _mode(flags: list[str]) -> AgentMode | None:
    """Flags of an agent's command line: a sender may not give it settings, servers or rights of its own."""
    for flag in flags:
        if flag not in _IMPLIED | _HEADLESS:
            message = (
                f"flags: {flag[:100]} cannot be passed on: make an Agent whose spec.args holds it, and name that Agent "
                "in agent"
            )
            raise Untranslatable("FlagNotAllowed", message, field="flags")
    return AgentMode.HEADLESS if any(flag in _HEADLESS for flag in flags) else None
