"""How a command ends: the status of success and failure, and the Event that tells it."""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Event, Plan
from bugcommand_operator.core.policies.attempts import note_attempt
from bugcommand_operator.core.policies.log_store import note_end
from bugcommand_operator.core.status import StatusEditor


def failed(seen: Observed, now: datetime, reason: str, message: str, status: StatusEditor | None = None) -> Plan:
    edited = attempt_over(seen, now, reason, message, status)
    edited.finished(False, reason, message)
    return Plan(status=edited.done(), events=(Event(reason, message, "Warning"),), go_on=True)


def succeeded(seen: Observed, now: datetime, message: str, status: StatusEditor) -> Plan:
    attempt_over(seen, now, Reason.COMPLETED, message, status)
    status.finished(True, Reason.COMPLETED, message)
    return Plan(status=status.done(), events=(Event("Succeeded", message),), go_on=True)


def attempt_over(
    seen: Observed, now: datetime, reason: str, message: str, status: StatusEditor | None = None
) -> StatusEditor:
    """Whether or not the command has ended with it."""
    edited = _agent_no_longer_running(seen, status or StatusEditor(seen.command, now))
    if _agent_never_started(seen):
        edited.condition(ConditionType.AGENT_RUNNING, "False", Reason.AGENT_NOT_STARTED)
    note_end(seen, edited)
    note_attempt(seen.command, edited, now, reason, message)
    return edited


def _agent_never_started(seen: Observed) -> bool:
    pod = seen.agent_pod
    ours = pod is not None and pod.command_uid == seen.command.uid and pod.has_ended
    return ours and pod is not None and "agent" in pod.containers and pod.container("agent").started_at is None


def _agent_no_longer_running(seen: Observed, status: StatusEditor) -> StatusEditor:
    if seen.command.condition_status(ConditionType.AGENT_RUNNING) == "True":
        status.condition(ConditionType.AGENT_RUNNING, "False", Reason.AGENT_ENDED)
    return status
