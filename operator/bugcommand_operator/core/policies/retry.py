"""Further attempts: by themselves, after a failure that may pass and with a back-off; or once because a person asks.

Money decides which failures are worth it: an attempt is a paid agent. It is tried again where the next attempt meets
something else than the last one did, and where little was spent, or the work that was paid for is kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Event, Plan
from bugcommand_operator.core.policies.approval import agreed_retries
from bugcommand_operator.core.policies.attempts import release, wait_for_pods
from bugcommand_operator.core.policies.ending import attempt_over, failed
from bugcommand_operator.core.policies.share import is_ours_to_tell
from bugcommand_operator.core.status import StatusEditor

WORTH_RETRYING: dict[Reason, str] = {
    Reason.MODEL_RATE_LIMITED: "the limit counts by the minute or the hour, and it was not the agent's doing",
    Reason.MODEL_OVERLOADED: "others have asked for too much; it passes",
    Reason.MODEL_UNAVAILABLE: "the provider or the way to it was down; unless the model does not exist",
    Reason.POD_LOST: "a node went or somebody took the pod away; the work is on the volume",
    Reason.EVICTED: "the node lacked something; unless the pod has taken more than its own limit",
    Reason.TERMINATED: "the pod was ended from outside: a node was drained, a more important pod came",
    Reason.REPOSITORY_UNREACHABLE: "the remote did not answer; the agent had not begun",
}
"""Why the next attempt may end better. Not among them, of what may look like it: `OutOfMemory` (the limit is the same),
`TimedOut` (it had the time that it was given), `AgentFailed` and `AgentStartFailed` (it would do the same again),
whatever publishing came to (it is tried again by itself; another agent would not push better), a credential that is
refused or used up, what waits for a person longer than a start may take, and every refusal."""

FIRST_BACK_OFF = timedelta(seconds=10)
LONGEST_BACK_OFF = timedelta(minutes=5)


def back_off(retries: int) -> timedelta:
    """Before the attempt that is the n-th to begin by itself."""
    return min(FIRST_BACK_OFF * (1 << min(retries - 1, 10)), LONGEST_BACK_OFF)


def attempt_failed(
    seen: Observed,
    now: datetime,
    reason: str,
    message: str,
    status: StatusEditor | None = None,
    *,
    lasting: bool = False,
) -> Plan:
    """`lasting`: known not to pass, though its reason often does."""
    if lasting or not may_try_again(seen, reason):
        return failed(seen, now, reason, message, status)
    retries = (seen.command.status.retries or 0) + 1
    at = (now + back_off(retries)).replace(microsecond=0)
    edited = attempt_over(seen, now, reason, message, status).set(retries=retries, next_attempt_time=at)
    told = _told(edited)
    return Plan(
        status=release(seen, edited, Reason.RETRY_BACK_OFF, told).done(),
        events=(Event(Reason.RETRY_BACK_OFF, told, "Warning"),),
        go_on=True,
    )


def may_try_again(seen: Observed, reason: str) -> bool:
    command = seen.command
    if not command.attempt or reason not in WORTH_RETRYING or not command.spec.with_worktree or command.spec.cancel:
        return False
    return (command.status.retries or 0) < agreed_retries(seen)


def _told(status: StatusEditor) -> str:
    ended, at = status.value("attempts")[-1], status.value("next_attempt_time")
    return (
        f"Attempt {ended.attempt} ended as {ended.reason}; attempt {ended.attempt + 1} begins at "
        f"{at:%Y-%m-%dT%H:%M:%SZ} or later. {ended.message}"
    ).rstrip()


def wait_for_back_off(seen: Observed, now: datetime) -> Plan | None:
    """None: it is over, there was none, or somebody does not want to wait for it."""
    command, at = seen.command, seen.command.status.next_attempt_time
    if at is None or at <= now or not command.status.attempts or command.is_asked_again:
        return None
    status = StatusEditor(command, now)
    written = status.progressing(Reason.RETRY_BACK_OFF, _told(status)).done() if is_ours_to_tell(seen) else None
    return Plan(status=written, look_again_after=at - now)


def again(seen: Observed, now: datetime) -> Plan | None:
    """A command that has finished, and of which somebody wants one more attempt after the last."""
    command = seen.command
    if not command.is_finished or not command.is_asked_again:
        return None
    if plan := wait_for_pods(seen):
        return plan
    message = f"Attempt {command.attempt + 1} was asked for: it begins when its turn comes."
    status = release(seen, StatusEditor(command, now), Reason.RETRY_REQUESTED, message)
    return Plan(status=status.done(), events=(Event(Reason.RETRY_REQUESTED, message),), go_on=True)
