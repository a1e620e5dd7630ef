"""What is known of a command's log: whether all of its lines are stored, and what becomes of those that are not.

A runner that ends says how many lines it could not send; one that was killed says nothing. Then a pod that only reads
the volume ships them, and until it has, the volume is not let go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command, Observed, Pod
from bugcommand_operator.core.plan import NOTHING, CreatePod, DeletePod, Event, Plan
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.termination import AgentResult, ShipResult, result_of

SHIP = "ship"
LOOK_AGAIN = timedelta(seconds=60)
TRY_AGAIN = timedelta(minutes=10)
STORE_AWAY = timedelta(seconds=60)
"""Shorter absences, of a database that is started anew, are nobody's concern."""
LONGEST = timedelta(minutes=30)
"""A pod that has not ended by then, perhaps for want of a node, is made anew."""
GIVE_UP = timedelta(days=1)
SAID = frozenset({Reason.LOGS_STORED, Reason.LOGS_UNSHIPPED, Reason.LOGS_REFUSED})
UNKNOWN = "The agent's container ended without a word: its last lines may be on the volume only, and are shipped now."


def note_logs(status: StatusEditor, said: AgentResult | ShipResult) -> None:
    """What a container that had the volume says about the log."""
    if said.unshipped is None:
        status.condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_UNSHIPPED, UNKNOWN)
    elif left := _left(said):
        message = f"{left} are on the volume only: the log intake did not take them."
        status.condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_UNSHIPPED, message)
    elif said.refused:
        message = f"{lines(said.refused)} were never taken by the log store; the container's log had them."
        status.condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_REFUSED, message)
    else:
        status.condition(ConditionType.LOGS_STORED, "True", Reason.LOGS_STORED)


def note_store(seen: Observed, status: StatusEditor, now: datetime) -> tuple[Event, ...]:
    """Whether a running command's lines can be stored at all. Only what changes is said."""
    told = store_is_missed(seen.command)
    since = seen.log_store_away_since
    if since is not None and now - since > STORE_AWAY and not told:
        message = f"The log store has not answered since {since:%Y-%m-%dT%H:%M:%SZ}: lines wait on the volume."
        status.condition(ConditionType.LOGS_STORED, "False", Reason.LOG_STORE_UNAVAILABLE, message)
        return (Event(Reason.LOG_STORE_UNAVAILABLE, message, "Warning"),)
    if told and seen.log_store_answers:
        message = "The log store answers again: lines that have waited are stored."
        status.condition(ConditionType.LOGS_STORED, "True", Reason.LOG_STORE_AVAILABLE, message)
        return (Event(Reason.LOG_STORE_AVAILABLE, message),)
    return ()


def store_is_missed(command: Command) -> bool:
    return command.condition_reason(ConditionType.LOGS_STORED) == Reason.LOG_STORE_UNAVAILABLE


def note_end(seen: Observed, status: StatusEditor) -> None:
    """An agent that has worked and of whose end nothing was seen may have left lines."""
    if status.reason_of(ConditionType.LOGS_STORED) not in SAID and agent_started(seen):
        note_logs(status, AgentResult())


def agent_ever_started(seen: Observed) -> bool:
    """In any attempt, for all that is known."""
    return seen.command.attempt > 1 or agent_started(seen)


def agent_started(seen: Observed) -> bool:
    """In this attempt."""
    if seen.command.status.agent_start_time is not None:
        return True
    if seen.command.condition_reason(ConditionType.AGENT_RUNNING) == Reason.AGENT_NOT_STARTED:
        return False
    pod = seen.agent_pod
    if pod is None or pod.command_uid != seen.command.uid or "agent" not in pod.containers:
        return bool(seen.command.status.pod_name)  # nothing shows that it did not
    return pod.container("agent").started_at is not None


def logs_are_left(command: Command) -> bool:
    return command.condition_reason(ConditionType.LOGS_STORED) == Reason.LOGS_UNSHIPPED


def may_be_shipped(command: Command, now: datetime) -> bool:
    """What a finished command has left of its log; not for ever."""
    ended = command.status.completion_time
    return command.is_finished and logs_are_left(command) and ended is not None and now - ended <= GIVE_UP


def unshipped_by(pod: Pod) -> str:
    """What a pod that was to ship has left, in words; empty when nothing, or when it was not to."""
    if SHIP not in pod.containers:
        return ""
    left = result_of(pod.container(SHIP), ShipResult).unshipped
    return "an unknown part" if left is None else lines(left) if left else ""


def _left(said: AgentResult | ShipResult) -> str:
    """What there is beside what was stored: lines, or no line but parts of the session's recording."""
    if said.unshipped:
        return f"{lines(said.unshipped)} of the log"
    parts = said.unshipped_parts
    return f"{parts} parts of the recording" if parts > 1 else "1 part of the recording" if parts else ""


def lines(count: int) -> str:
    return f"{count} lines" if count != 1 else "1 line"


def ship_what_is_left(seen: Observed, now: datetime) -> Plan:
    """For a command that has finished: a pod of its own, tried again now and then for a day."""
    if not may_be_shipped(seen.command, now) or not _can_be_read(seen):
        return NOTHING
    pod = seen.ship_pod
    if pod is None:
        made = () if seen.refused else (CreatePod("ship"),)
        return Plan(actions=made, look_again_after=LOOK_AGAIN)
    if pod.command_uid != seen.command.uid or pod.is_being_deleted:
        return Plan(look_again_after=LOOK_AGAIN)
    if not pod.has_ended:
        return Plan(actions=_delete(pod) if now - pod.created_at > LONGEST else (), look_again_after=LOOK_AGAIN)
    return _shipped(seen, now, pod)


def _can_be_read(seen: Observed) -> bool:
    volume, pod = seen.volume, seen.agent_pod
    if volume is None or volume.is_being_deleted or seen.namespace_is_terminating:
        return False
    if seen.command.spec.with_worktree and volume.command_uid != seen.command.uid:
        return False
    return pod is None or pod.has_ended or pod.command_uid != seen.command.uid


def _shipped(seen: Observed, now: datetime, pod: Pod) -> Plan:
    result = result_of(pod.container(SHIP), ShipResult)
    status = StatusEditor(seen.command, now)
    if result.unshipped is not None:
        note_logs(status, result)
    left = "an unknown part of the log" if result.unshipped is None else _left(result)
    if not left:
        return Plan(status=status.done())
    finished = pod.container(SHIP).finished_at or pod.created_at
    over = now - finished > TRY_AGAIN
    written = status.done()
    events = (Event(Reason.LOGS_UNSHIPPED, f"{left} could not be stored.", "Warning"),)
    return Plan(
        actions=_delete(pod) if over else (),
        status=written,
        events=events if written is not None else (),
        look_again_after=LOOK_AGAIN if over else max(finished + TRY_AGAIN - now, timedelta(0)) + timedelta(seconds=1),
    )


def _delete(pod: Pod) -> tuple[DeletePod, ...]:
    return (DeletePod(pod.name, pod.uid),)
