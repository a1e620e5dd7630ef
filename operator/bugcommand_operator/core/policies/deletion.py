"""A command that is being deleted: its agent is ended, its work pushed as a rescue ref or kept, then it is let go.

The finalizer has a deadline: after it the volume is kept, labelled, and the command goes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import rescue_ref
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import (
    NOTHING,
    Action,
    CreatePod,
    DeletePod,
    DeleteVolume,
    Event,
    KeepVolume,
    Plan,
    ReleaseFinalizer,
)
from bugcommand_operator.core.policies.attempts import ended_by, in_charge
from bugcommand_operator.core.policies.log_store import agent_ever_started, logs_are_left, unshipped_by
from bugcommand_operator.core.policies.pushing import failed_container, has_pushed, is_too_large, may_pass
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.termination import ExportResult, result_of

LOOK_AGAIN = timedelta(seconds=5)


def let_go(seen: Observed, now: datetime) -> Plan | None:
    if not seen.command.is_being_deleted:
        return None
    if not seen.command.holds_finalizer:
        return NOTHING
    return _take_charge(seen, now) if seen.command.is_between_attempts else _let_go(seen, now)


def _let_go(seen: Observed, now: datetime) -> Plan:
    running = _pods_to_end(seen)
    if running and not (rescue_is_late(seen, now) and all(pod.is_being_deleted for pod in running)):
        ending = tuple(end_of(pod) for pod in running if not pod.is_being_deleted)
        return Plan(actions=ending, status=_never_ran(seen, now), look_again_after=LOOK_AGAIN)
    if work_is_safe(seen) and not running:
        return _release(seen, _delete_volume(seen), ())
    if seen.namespace_is_terminating or seen.repository is None or rescue_is_late(seen, now):
        return _keep(seen, "its work could not be pushed in time")
    return _rescue(seen)


def _take_charge(seen: Observed, now: datetime) -> Plan:
    """Between two attempts it is nobody's, and two that rescue the same work would get in each other's way."""
    if not seen.executors.may_claim:
        return Plan(look_again_after=LOOK_AGAIN)
    return Plan(status=in_charge(seen, now).done(), go_on=True)


def end_of(pod: Pod) -> DeletePod:
    """One that no node has yet is deleted as exactly that: should it be scheduled meanwhile, we look again."""
    return DeletePod(pod.name, pod.uid, only_version=None if pod.is_scheduled else pod.version)


def _never_ran(seen: Observed, now: datetime) -> BugCommandStatus | None:
    """Written after such a deletion: the pod is gone, and with it the only other witness that there is no work."""
    pod = seen.agent_pod
    if pod is None or pod.command_uid != seen.command.uid or pod.is_scheduled or pod.is_being_deleted:
        return None
    if seen.command.status.agent_start_time is not None:
        return None
    status = StatusEditor(seen.command, now)
    return status.condition(ConditionType.AGENT_RUNNING, "False", Reason.AGENT_NOT_STARTED).done()


def work_is_safe(seen: Observed) -> bool:
    """Nothing would be lost with the volume: all was pushed, nothing was changed, or no agent ever started; and no line
    of the log is only there. That it was given to its command says that this was known before: the pod that showed it
    may be gone."""
    command = seen.command
    if seen.volume is None or not command.spec.with_worktree or seen.volume.command_uid != command.uid:
        return True
    if seen.volume.is_owned:
        return True
    if logs_are_left(command):
        return False
    published = command.condition_reason(ConditionType.PUBLISHED)
    if command.condition_status(ConditionType.PUBLISHED) == "True" and published != Reason.PUBLISHED_IN_PART:
        return True
    return published == Reason.NO_CHANGES or not agent_ever_started(seen)


def _pods_to_end(seen: Observed) -> list[Pod]:
    """All must be gone before anything else touches the volume; one that is already going is waited for."""
    return ended_by(seen, (seen.agent_pod, seen.publish_pod, seen.ship_pod, *seen.stray_pods))


def _rescue(seen: Observed) -> Plan:
    pod = seen.rescue_pod
    if pod is None:
        return Plan(actions=(CreatePod("rescue"),), look_again_after=LOOK_AGAIN)
    if pod.command_uid != seen.command.uid:
        return _keep(seen, f"a pod named {pod.name} is in the way")
    if has_pushed(pod):
        return _rescued(seen, pod)
    if pod.has_ended and (is_too_large(pod) or not may_pass(failed_container(pod))):
        return _keep(seen, f"pushing it failed: {_why(pod)}")
    again = pod.has_ended and not pod.is_being_deleted
    return Plan(actions=(DeletePod(pod.name, pod.uid),) if again else (), look_again_after=LOOK_AGAIN)


def _rescued(seen: Observed, pod: Pod) -> Plan:
    if result_of(pod.container("export"), ExportResult).has_changes is None:
        return _keep(seen, f"pod {pod.name} did not say what it pushed")
    if left := unshipped_by(pod):
        return _keep(seen, f"{left} of its log could not be stored")
    if result_of(pod.container("export"), ExportResult).other_work:
        kept = _keep(seen, "it holds a stash, another branch or a repository inside the tree, which is not pushed")
        return replace(kept, events=(_rescued_event(seen, pod), *kept.events))
    return _release(seen, _delete_volume(seen), (_rescued_event(seen, pod),))


def _rescued_event(seen: Observed, pod: Pod) -> Event:
    exported = result_of(pod.container("export"), ExportResult)
    if not exported.has_changes:
        return Event("NothingToRescue", "The agent had changed nothing on its branch and in its tree.")
    ref = rescue_ref(seen.command.commitment_id, seen.command.attempt)
    return Event("WorkRescued", f"The unpublished work was pushed as {ref} of {seen.command.spec.repository.name}.")


def _keep(seen: Observed, why: str) -> Plan:
    volume = seen.volume
    if volume is None or volume.command_uid != seen.command.uid:
        return _release(seen, (), ())
    message = f"Volume {volume.name} is kept with the work of {seen.command.name}, because {why}."
    keep = () if volume.is_owned else (KeepVolume(volume.name),)
    return _release(seen, keep, (Event("WorkKept", message, "Warning"),))


def _release(seen: Observed, before: tuple[Action, ...], events: tuple[Event, ...]) -> Plan:
    pods = [p for p in (seen.rescue_pod,) if p and p.command_uid == seen.command.uid and not p.is_being_deleted]
    ended = tuple(DeletePod(p.name, p.uid) for p in pods)
    return Plan(actions=(*before, *ended, ReleaseFinalizer()), events=events)


def _delete_volume(seen: Observed) -> tuple[Action, ...]:
    volume = seen.volume
    ours = volume is not None and volume.command_uid == seen.command.uid and not volume.is_being_deleted
    return (DeleteVolume(volume.name),) if volume is not None and ours else ()


def _why(pod: Pod) -> str:
    return result_of(failed_container(pod), ExportResult).message or pod.message or "see the pod's log"


def rescue_is_late(seen: Observed, now: datetime) -> bool:
    """An outage counts: whoever deletes waits no longer than was promised, and what is not pushed is kept."""
    return seen.command.deleted_at is not None and now - seen.command.deleted_at > seen.limits.rescue
