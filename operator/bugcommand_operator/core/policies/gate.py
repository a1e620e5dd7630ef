"""An agent's pod is made at once, but behind a gate. It opens when all that the pod relies on holds: the finalizer that
will see to its work, the status that names it, its volumes, and the network policy that was made with them.

A pod that the scheduler meets before its volumes are bound is put back for seconds; behind the gate it is not met.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.core.observed import Observed, Pod, Volume
from bugcommand_operator.core.plan import OpenGate, Plan, Prepare
from bugcommand_operator.core.policies.ending import failed
from bugcommand_operator.core.policies.start import (
    TRY_AGAIN,
    definition_gone,
    prepared_status,
    start_deadline_has_passed,
)
from bugcommand_operator.core.status import StatusEditor

LONGEST = timedelta(seconds=60)
"""Binding takes as long as the storage takes, in a burst as long as all the others' take; after this the scheduler is
left to say what is wrong with it."""


def open_gate(seen: Observed, now: datetime) -> Plan | None:
    pod = seen.agent_pod
    if pod is None or not pod.is_gated or pod.is_being_deleted or seen.command.spec.cancel:
        return None
    if start_deadline_has_passed(seen, now):
        return failed(seen, now, Reason.POD_REJECTED, seen.refused) if seen.refused else None
    return _prepare(seen, now) or _open(seen, pod, now)


def _prepare(seen: Observed, now: datetime) -> Plan | None:
    if seen.refused:
        status = StatusEditor(seen.command, now).waiting(Reason.POD_REJECTED, seen.refused)
        return Plan(status=status.done(), look_again_after=TRY_AGAIN)
    if _is_prepared(seen):
        return None
    if seen.repository is None:
        return definition_gone(seen, now)
    return Plan(actions=(Prepare(),), status=prepared_status(seen, now), look_again_after=TRY_AGAIN)


def _open(seen: Observed, pod: Pod, now: datetime) -> Plan:
    waited = now - pod.created_at
    if _is_bound(seen) or waited > LONGEST:
        return Plan(actions=(OpenGate(pod.name),), look_again_after=LONGEST)
    return Plan(look_again_after=LONGEST - waited + timedelta(seconds=1))


def _is_prepared(seen: Observed) -> bool:
    is_named = seen.command.status.pod_name is not None
    return seen.command.holds_finalizer and is_named and all(volume is not None for volume in _volumes(seen))


def _is_bound(seen: Observed) -> bool:
    if not seen.volumes_bind_at_once:
        return True
    return all(volume is not None and volume.is_bound for volume in _volumes(seen))


def _volumes(seen: Observed) -> list[Volume | None]:
    has_mirror = seen.repository is not None and seen.repository.mirror.enabled
    return [_own_volume(seen), seen.mirror] if has_mirror else [_own_volume(seen)]


def _own_volume(seen: Observed) -> Volume | None:
    """Another command's volume of that name is none; that it is in the way is found when ours is to be made. One that
    an earlier attempt has used is none before it was made ready for this one."""
    command, volume = seen.command, seen.volume
    wanted = command.uid if command.spec.with_worktree else None
    if volume is None or volume.command_uid != wanted:
        return None
    is_ready = command.attempt <= 1 or not command.spec.with_worktree or volume.attempt == command.attempt
    return volume if is_ready else None
