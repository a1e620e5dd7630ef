"""Objects of the API server (dicts) → what the core sees. Pure. Tolerates whatever an object may lack."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from bugcommand_operator.api.bugcommand import BugCommandSpec, BugCommandStatus
from bugcommand_operator.api.conditions import Phase
from bugcommand_operator.api.model import lean
from bugcommand_operator.api.names import LABEL_ATTEMPT, LABEL_COMMAND_UID, LABEL_KEPT, ROLE_RESCUE
from bugcommand_operator.core.observed import Command, Container, Pod, Volume

Raw = dict[str, Any]


class UnreadableCommand(Exception):
    """The object is not a BugCommand as this version knows it: permanent until somebody edits it."""


def command_from(obj: Raw, before: Command | None = None) -> Command:
    """Raises UnreadableCommand with the fields that are wrong. A status that a newer version wrote is never taken for
    an empty one: that would run the command once more. `before`: as it was known, whose spec need not be read again."""
    meta = obj["metadata"]
    try:
        spec = _same_spec(meta, before) or lean(BugCommandSpec.model_validate(obj.get("spec") or {}))
        status = lean(BugCommandStatus.model_validate(_without_unknown_phase(obj.get("status") or {})))
    except ValidationError as error:
        raise UnreadableCommand(_named_fields(error)) from error
    return Command(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
        created_at=timestamp(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        deleted_at=timestamp(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
        spec=spec,
        status=status,
    )


def _same_spec(meta: Raw, before: Command | None) -> BugCommandSpec | None:
    """The API server counts the generation up with each change of the spec."""
    if before is None or not before.generation:
        return None
    return before.spec if (before.uid, before.generation) == (meta["uid"], meta.get("generation")) else None


def _without_unknown_phase(status: Raw) -> Raw:
    """A phase is derived and nothing is decided by it."""
    return status if status.get("phase") in set(Phase) else {k: v for k, v in status.items() if k != "phase"}


def _named_fields(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])


def pod_from(obj: Raw) -> Pod:
    meta, status = obj["metadata"], obj.get("status") or {}
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return Pod(
        name=meta["name"],
        uid=meta.get("uid", ""),
        command_uid=_command_uid(meta),
        phase=status.get("phase", "Pending"),
        is_being_deleted=bool(meta.get("deletionTimestamp")),
        created_at=timestamp(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        unschedulable=_unschedulable(status, is_gated=bool((obj.get("spec") or {}).get("schedulingGates"))),
        is_scheduled=bool((obj.get("spec") or {}).get("nodeName") or states),
        version=meta.get("resourceVersion", ""),
        gates=tuple(gate["name"] for gate in (obj.get("spec") or {}).get("schedulingGates") or ()),
        containers={state["name"]: _container_from(state) for state in states},
    )


def _command_uid(meta: Raw) -> str | None:
    """Ours by label and by owner: whoever can make a pod can copy a label. A rescue pod alone has no owner."""
    labelled = (meta.get("labels") or {}).get(LABEL_COMMAND_UID)
    owners = [owner.get("uid") for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    may_lack_owner = meta["name"].endswith(f"-{ROLE_RESCUE}")
    return labelled if owners == [labelled] or (not owners and may_lack_owner) else None


def _unschedulable(status: Raw, *, is_gated: bool) -> str:
    """That a gate held it up is still said after the gate has been opened, until the scheduler has looked at it."""
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "SchedulingGated" and not is_gated:
            continue
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def _container_from(status: Raw) -> Container:
    state = status.get("state") or {}
    waiting, running, ended = state.get("waiting"), state.get("running"), state.get("terminated")
    if ended:
        return Container(
            name=status["name"],
            started_at=_start_of(ended),
            finished_at=timestamp(ended.get("finishedAt")),
            exit_code=ended.get("exitCode", 0),
            reason=ended.get("reason", ""),
            message=ended.get("message", ""),
        )
    if running:
        return Container(name=status["name"], started_at=timestamp(running.get("startedAt")))
    waiting = waiting or {}
    return Container(status["name"], waiting_reason=waiting.get("reason", ""), message=waiting.get("message", ""))


def _start_of(ended: Raw) -> datetime | None:
    """A container that the runtime could not start is said to have started in 1970."""
    started = timestamp(ended.get("startedAt"))
    return started if started is not None and started.timestamp() > 0 else None


def volume_from(obj: Raw) -> Volume:
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    uid = labels.get(LABEL_COMMAND_UID)
    return Volume(
        name=meta["name"],
        command_uid=uid,
        is_owned=any(owner.get("uid") == uid for owner in meta.get("ownerReferences") or ()),
        is_being_deleted=bool(meta.get("deletionTimestamp")),
        is_bound=(obj.get("status") or {}).get("phase") == "Bound",
        storage_class=(obj.get("spec") or {}).get("storageClassName") or "",
        uid=meta.get("uid", ""),
        is_kept=labels.get(LABEL_KEPT) == "true",
        version=meta.get("resourceVersion", ""),
        attempt=_number(labels.get(LABEL_ATTEMPT)),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def timestamp(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
