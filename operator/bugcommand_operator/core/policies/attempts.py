"""Attempts: what one leaves when it has ended, how a command waits for the next one, and what that begins with.

Between two attempts a command is claimed by nobody: its place is free, and the next one waits for its turn like any
other command. It begins only once the pods of the earlier ones are known to be over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bugcommand_operator.api.bugcommand import MOST_ATTEMPTS_TOLD, Attempt, Claim
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import rescue_ref
from bugcommand_operator.core.observed import Command, Observed, Pod
from bugcommand_operator.core.plan import DeletePod, Plan
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.text import clean, shortened

MAX_MESSAGE_BYTES = 160
LOOK_AGAIN = timedelta(seconds=5)
OF_ONE_ATTEMPT = (ConditionType.WORKSPACE_READY, ConditionType.AGENT_RUNNING, ConditionType.PUBLISHED)


def note_attempt(command: Command, status: StatusEditor, now: datetime, reason: str, message: str) -> None:
    """Once for each: an attempt that was noted before has ended then."""
    noted = list(status.value("attempts"))
    if not command.attempt or (noted and noted[-1].attempt == command.attempt):
        return
    head, ref = _where_the_work_is(command, status)
    ended = Attempt(
        attempt=command.attempt,
        reason=reason,
        message=shortened(clean(message), MAX_MESSAGE_BYTES),
        exit_code=status.value("exit_code"),
        pod_name=status.value("pod_name"),
        start_time=status.value("start_time"),
        completion_time=now,
        head_commit=head,
        rescue_ref=ref,
    )
    status.set(attempts=[*noted, ended][-MOST_ATTEMPTS_TOLD:])


def _where_the_work_is(command: Command, status: StatusEditor) -> tuple[str | None, str | None]:
    """The commit, and the ref of one that is on the volume only."""
    if status.reason_of(ConditionType.PUBLISHED) in {Reason.PUBLISHED, Reason.PUBLISHED_IN_PART}:
        return status.value("head_commit"), None
    saved = status.value("checkpoint_commit")
    return saved, rescue_ref(command.commitment_id, command.attempt) if saved else None


def release(seen: Observed, status: StatusEditor, reason: Reason, message: str) -> StatusEditor:
    """The command is nobody's until its next attempt is claimed; no later claim has this one's epoch."""
    claim = seen.command.status.claim
    status.set(claim=None, last_epoch=claim.epoch if claim else seen.command.status.last_epoch, completion_time=None)
    status.condition(ConditionType.CLAIMED, "False", reason)
    status.condition(ConditionType.SUCCEEDED, "Unknown", Reason.IN_PROGRESS)
    return status.progressing(reason, message)


def begin(command: Command, status: StatusEditor) -> StatusEditor:
    """What the earlier attempt has left in the status is not the new one's. That log lines are on the volume only
    stays true until a container that had the volume says otherwise."""
    fresh: dict[str, Any] = dict.fromkeys(
        [
            "pod_name",
            "agent_start_time",
            "completion_time",
            "exit_code",
            "logs",
            "next_attempt_time",
            "checkpoint_commit",
        ]
    )
    status.set(**fresh, earlier_usage=command.status.usage).without(*OF_ONE_ATTEMPT)
    if status.reason_of(ConditionType.LOGS_STORED) != Reason.LOGS_UNSHIPPED:
        status.without(ConditionType.LOGS_STORED)
    return status


def in_charge(seen: Observed, now: datetime) -> StatusEditor:
    """To end a command between two attempts: by one executor, which then looks after what is left of it."""
    status = StatusEditor(seen.command, now)
    if not seen.command.is_between_attempts:
        return status
    epoch = (seen.command.status.last_epoch or 0) + 1
    return status.set(claim=Claim(executor=seen.identity.executor, machine=seen.identity.machine, epoch=epoch, at=now))


def wait_for_pods(seen: Observed) -> Plan | None:
    """None: whatever ran for this command runs no more."""
    pods = ended_by(seen, (seen.agent_pod, seen.publish_pod, seen.ship_pod, *seen.stray_pods))
    return Plan(actions=_deletions(pods), look_again_after=LOOK_AGAIN) if pods else None


def end_strays(seen: Observed, _now: datetime) -> Plan | None:
    """A pod of an attempt that has ended, made by a late call: it may not run beside the next one."""
    ended = (seen.agent_pod, seen.publish_pod, seen.ship_pod) if seen.command.is_between_attempts else ()
    strays = _deletions(ended_by(seen, (*ended, *seen.stray_pods)))
    return Plan(actions=strays, go_on=True) if strays else None


def ended_by(seen: Observed, pods: tuple[Pod | None, ...]) -> list[Pod]:
    """Those of them that are ours to end, and have not ended."""
    return [pod for pod in pods if pod and pod.is_active and pod.command_uid == seen.command.uid]


def _deletions(pods: list[Pod]) -> tuple[DeletePod, ...]:
    return tuple(DeletePod(pod.name, pod.uid) for pod in pods if not pod.is_being_deleted)
