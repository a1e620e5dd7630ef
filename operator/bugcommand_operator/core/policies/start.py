"""From a claim to a pod: finalizer, volumes, pod, each made once; and what it means that the pod is not there."""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import agent_pod_name
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Plan, Prepare
from bugcommand_operator.core.policies.deadline import have_passed
from bugcommand_operator.core.policies.ending import failed
from bugcommand_operator.core.policies.retry import attempt_failed
from bugcommand_operator.core.status import StatusEditor

TRY_AGAIN = timedelta(seconds=5)
TURN_COMES_WITHIN = timedelta(minutes=5)
"""It is woken when its turn comes; should that be missed, it is looked at after so long."""
PREPARING = "The workspace is being prepared."


def start_agent(seen: Observed, now: datetime) -> Plan | None:
    """Once a status names the pod, it was made: its absence ends the command, so that no prompt runs twice."""
    command = seen.command
    if seen.agent_pod is not None or command.condition_reason(ConditionType.PUBLISHED) == Reason.PUBLISHING:
        return None
    if ended := _why_the_pod_is_gone(seen):
        return attempt_failed(seen, now, *ended)
    if seen.repository is None or seen.agent is None:
        return definition_gone(seen, now)
    if seen.refused:
        return _refused(seen, now)
    if seen.others_start_first:
        return Plan(look_again_after=TURN_COMES_WITHIN)
    return _create(seen, now)


def _why_the_pod_is_gone(seen: Observed) -> tuple[Reason, str] | None:
    command = seen.command
    if command.condition_reason(ConditionType.AGENT_RUNNING) == Reason.TIMED_OUT:
        return Reason.TIMED_OUT, f"Ended after {command.spec.timeout_seconds} s; its work is kept."
    if command.spec.cancel:
        return Reason.CANCELLED, "Cancelled; its work is kept."
    if command.status.pod_name:
        return Reason.POD_LOST, f"Pod {command.status.pod_name} is gone; its work is kept on the volume."
    return None


def _create(seen: Observed, now: datetime) -> Plan:
    return Plan(actions=(Prepare(agent_pod=True),), status=prepared_status(seen, now), look_again_after=TRY_AGAIN)


def prepared_status(seen: Observed, now: datetime) -> BugCommandStatus | None:
    status = StatusEditor(seen.command, now).set(pod_name=agent_pod_name(seen.command.name, seen.command.attempt))
    status.condition(ConditionType.WORKSPACE_READY, "False", Reason.PREPARING)
    return status.progressing(Reason.PREPARING, PREPARING).done()


def _refused(seen: Observed, now: datetime) -> Plan:
    if start_deadline_has_passed(seen, now):
        return failed(seen, now, Reason.POD_REJECTED, seen.refused)
    status = StatusEditor(seen.command, now).waiting(Reason.POD_REJECTED, seen.refused)
    return Plan(status=status.done(), look_again_after=TRY_AGAIN)


def definition_gone(seen: Observed, now: datetime) -> Plan:
    gone = "Repository" if seen.repository is None else "Agent"
    reason = Reason.REPOSITORY_NOT_FOUND if seen.repository is None else Reason.AGENT_NOT_FOUND
    message = f"The {gone} was deleted after the command was claimed: make it again, and a new BugCommand."
    if start_deadline_has_passed(seen, now):
        return failed(seen, now, reason, message)
    status = StatusEditor(seen.command, now).waiting(reason, message)
    return Plan(status=status.done(), look_again_after=TRY_AGAIN)


def start_deadline_has_passed(seen: Observed, now: datetime) -> bool:
    """Counted from when its pod was made, or where there is none yet, from when it was said why: between the claim and
    that others may have started first."""
    claim = seen.command.status.claim
    if claim is None:
        return False
    began = _pod_was_made(seen) or _was_held_up(seen)
    return bool(began) and have_passed(seen, seen.limits.start, max([claim.at, *began]), now)


def _pod_was_made(seen: Observed) -> list[datetime]:
    told = [c.last_transition_time for c in seen.command.status.conditions if c.type == ConditionType.WORKSPACE_READY]
    pod = seen.agent_pod
    is_ours = pod is not None and pod.command_uid == seen.command.uid
    return [*told, pod.created_at] if pod is not None and is_ours else told


def _was_held_up(seen: Observed) -> list[datetime]:
    conditions = seen.command.status.conditions
    return [c.last_transition_time for c in conditions if c.type == ConditionType.STALLED and c.status == "True"]
