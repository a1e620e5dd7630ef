"""A running command that somebody suspends: its agent is asked to end, its runner keeps the work on its way out, and
the command is parked. Its place is free meanwhile; a later attempt goes on with the work. It is no failure.

What has completed by then is published all the same. A plain checkout is left running: the next command would have it.
"""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import DeletePod, Event, Plan
from bugcommand_operator.core.policies.agent import LOOK_AGAIN, completed, facts
from bugcommand_operator.core.policies.attempts import release
from bugcommand_operator.core.policies.ending import attempt_over
from bugcommand_operator.core.status import StatusEditor

SUSPENDED = "spec.suspend is true: set it to false to let it run."


def suspend(seen: Observed, now: datetime) -> Plan | None:
    command, pod = seen.command, _own_pod(seen)
    is_published = command.condition_reason(ConditionType.PUBLISHED) == Reason.PUBLISHING
    if not command.is_to_be_parked or is_published or (pod is not None and completed(pod)):
        return None
    status = facts(seen, now, pod) if pod is not None else StatusEditor(command, now)
    if pod is None or pod.has_ended:
        return _park(seen, now, status)
    status.progressing(Reason.SUSPENDING, "Suspending: the agent is asked to end, its work is kept.")
    actions = () if pod.is_being_deleted else (DeletePod(pod.name, pod.uid),)
    return Plan(actions=actions, status=status.done(), status_first=True, look_again_after=LOOK_AGAIN)


def _own_pod(seen: Observed) -> Pod | None:
    pod = seen.agent_pod
    return pod if pod is not None and pod.command_uid == seen.command.uid else None


def _park(seen: Observed, now: datetime, status: StatusEditor) -> Plan:
    message = "Suspended; its work is kept."
    edited = attempt_over(seen, now, Reason.SUSPENDED, message, status)
    release(seen, edited, Reason.SUSPENDED, SUSPENDED).waiting(Reason.SUSPENDED, SUSPENDED)
    return Plan(status=edited.done(), events=(Event(Reason.SUSPENDED, message),), go_on=True)
