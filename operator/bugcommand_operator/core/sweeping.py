"""Pods and worktree volumes that have outlived their BugCommand, and what becomes of each. Pure.

A deletion leaves none: this is for what a fault, a forced deletion or a finalizer that was taken off has left. Ours is
what has both our labels and the name that we would give it. A volume is deleted only where its work is known to be
safe; of all others nobody can tell any more, so they are marked as kept, and a person decides.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from bugcommand_operator.api.names import (
    LABEL_ATTEMPT,
    LABEL_COMMAND,
    LABEL_KEPT,
    LABEL_ROLE,
    ROLE_AGENT,
    ROLE_PUBLISH,
    ROLE_RESCUE,
    ROLE_SHIP,
    worktree_volume_name,
)
from bugcommand_operator.core.plan import Event
from bugcommand_operator.core.reading import pod_from, timestamp, volume_from

Raw = dict[str, Any]
Kind = Literal["Pod", "PersistentVolumeClaim"]
GRACE = timedelta(minutes=10)
"""Whatever is younger may still be somebody's business, unless the installation says otherwise."""
ROLES = frozenset({ROLE_AGENT, ROLE_PUBLISH, ROLE_RESCUE, ROLE_SHIP})


class Verdict(StrEnum):
    LEAVE = "leave"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True)
class Child:
    """A pod or volume that was made for a command."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    version: str
    command: str
    command_uid: str
    created_at: datetime
    is_being_deleted: bool = False
    is_kept: bool = False
    is_safe: bool = True
    """Nothing would be lost with it. A volume was given to its command once the work was safe, or was never used."""


def pod_child(obj: Raw) -> Child | None:
    """None: it is not ours."""
    pod, labels = pod_from(obj), obj["metadata"].get("labels") or {}
    role, attempt, command = (labels.get(key, "") for key in (LABEL_ROLE, LABEL_ATTEMPT, LABEL_COMMAND))
    if pod.command_uid is None or role not in ROLES or pod.name != f"{command}-{attempt}-{role}":
        return None
    return _child("Pod", obj, command, pod.command_uid, is_being_deleted=pod.is_being_deleted)


def volume_child(obj: Raw) -> Child | None:
    volume, labels = volume_from(obj), obj["metadata"].get("labels") or {}
    command = labels.get(LABEL_COMMAND, "")
    if volume.command_uid is None or volume.name != worktree_volume_name(command):
        return None
    return _child(
        "PersistentVolumeClaim",
        obj,
        command,
        volume.command_uid,
        is_being_deleted=volume.is_being_deleted,
        is_kept=volume.is_kept,
        is_safe=volume.is_owned or _was_never_bound(obj),
    )


def _was_never_bound(obj: Raw) -> bool:
    """There is no storage behind it, so nothing was ever written."""
    phase = (obj.get("status") or {}).get("phase") or "Pending"
    return phase == "Pending" and not (obj.get("spec") or {}).get("volumeName")


def _child(kind: Kind, obj: Raw, command: str, command_uid: str, **known: bool) -> Child:
    meta = obj["metadata"]
    return Child(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        command=command,
        command_uid=command_uid,
        created_at=timestamp(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        **known,
    )


def verdict_on(child: Child, living: Set[str], now: datetime, grace: timedelta = GRACE) -> Verdict:
    """`living`: UIDs of all BugCommands of its namespace, as the API server listed them *after* the child was listed. A
    child is made after its command, so one whose command is not among them has outlived it."""
    if child.command_uid in living or child.is_kept or child.is_being_deleted:
        return Verdict.LEAVE
    if now - child.created_at < grace:
        return Verdict.LEAVE
    return Verdict.DELETE if child.is_safe else Verdict.KEEP


def told_of(child: Child, verdict: Verdict) -> Event:
    gone = f"BugCommand {child.command} (UID {child.command_uid}) is gone"
    if child.kind == "Pod":
        return Event("LeakedPodDeleted", f"{gone}: its pod {child.name} is deleted.")
    if verdict is Verdict.DELETE:
        return Event("LeakedVolumeDeleted", f"{gone}, and nothing is only on volume {child.name}: it is deleted.")
    message = (
        f"{gone}, and nobody can tell whether all of its work is elsewhere: volume {child.name} is kept "
        f"({LABEL_KEPT}=true). Save what you need of it, and delete it."
    )
    return Event("LeakedVolumeKept", message, "Warning")
