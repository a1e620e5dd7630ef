"""Which commands an installation has in hand, and what it says when they keep it from going. Pure.

It reads no more of a command than it needs: one that a newer version wrote has to be let go as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.api.names import FINALIZER

Raw = dict[str, Any]
MOST_NAMED = 10
ADVICE = """\
Nothing was changed. Let them finish, cancel them (spec.cancel) or delete them (unpublished work is pushed first), then
uninstall again. To stay: `helm rollback` to the release's own revision, since Helm has noted that it goes."""


@dataclass(frozen=True)
class Held:
    namespace: str
    name: str
    uid: str
    version: str
    phase: str
    finalizers: tuple[str, ...]
    volume_name: str
    is_active: bool
    is_being_deleted: bool

    @property
    def holds_finalizer(self) -> bool:
        return FINALIZER in self.finalizers

    @property
    def other_finalizers(self) -> list[str]:
        return [name for name in self.finalizers if name != FINALIZER]


def in_hand(objects: Iterable[Raw], machine: str) -> list[Held]:
    """Those that this machine has claimed; another machine's are another installation's. What is between two attempts
    is every machine's that may take it."""
    return [_held(obj) for obj in objects if _machine_of(obj, machine) == machine]


def _machine_of(obj: Raw, asking: str) -> str:
    status = _status(obj)
    if claim := status.get("claim"):
        return str(claim.get("machine"))
    return ((obj.get("spec") or {}).get("targetMachine") or asking) if status.get("attempt") else ""


def _held(obj: Raw) -> Held:
    meta, status = obj["metadata"], _status(obj)
    ended = any(
        c.get("type") == ConditionType.SUCCEEDED and c.get("status") in {"True", "False"}
        for c in status.get("conditions") or ()
    )
    return Held(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        phase=str(status.get("phase", "")),
        finalizers=tuple(meta.get("finalizers") or ()),
        volume_name=str(status.get("volumeName") or ""),
        is_active=not ended,
        is_being_deleted=bool(meta.get("deletionTimestamp")),
    )


def _status(obj: Raw) -> Raw:
    return obj.get("status") or {}


def running(commands: Sequence[Held]) -> list[Held]:
    return [c for c in commands if c.is_active and not c.is_being_deleted]


def being_saved(commands: Sequence[Held]) -> list[Held]:
    """Deleted, and held until their work is pushed."""
    return [c for c in commands if c.is_being_deleted and c.holds_finalizer]


def refusal(commands: Sequence[Held], what: str) -> str:
    named = [f"  {c.namespace}/{c.name} ({'being deleted' if c.is_being_deleted else c.phase})" for c in commands]
    more = [f"  and {len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    return "\n".join([f"{len(named)} BugCommand(s) {what}:", *named[:MOST_NAMED], *more, ADVICE])
