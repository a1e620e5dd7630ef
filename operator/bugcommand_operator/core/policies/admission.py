"""Whether an unclaimed command may be claimed now: it waits with a reason, is refused, or is claimed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import Claim
from bugcommand_operator.api.conditions import WAITING_FOR_ROOM, ConditionType, Reason
from bugcommand_operator.api.names import worktree_volume_name
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Event, HoldFinalizer, Plan
from bugcommand_operator.core.pod_template import template_problem
from bugcommand_operator.core.policies.approval import awaits_approval, rejected
from bugcommand_operator.core.policies.attempts import begin, in_charge, wait_for_pods
from bugcommand_operator.core.policies.ending import failed
from bugcommand_operator.core.policies.retry import wait_for_back_off
from bugcommand_operator.core.policies.room import no_room
from bugcommand_operator.core.policies.share import is_ours_to_tell, nobody_could
from bugcommand_operator.core.policies.suspend import SUSPENDED
from bugcommand_operator.core.queueing import shown_place
from bugcommand_operator.core.repository_url import url_problem
from bugcommand_operator.core.status import StatusEditor

Wait = tuple[Reason, str]
LOOK_AGAIN = timedelta(minutes=5)
"""Whatever it waits for wakes it; this is for what was missed, and there may be ten thousand of them."""
AFTER_ITS_END = timedelta(milliseconds=1)
MAX_CONTEXT_BYTES = 96 * 1024
"""Linux hands a process no variable of more than 128 KiB."""


def admit(seen: Observed, now: datetime) -> Plan | None:
    if seen.command.is_claimed:
        return None
    if seen.command.spec.cancel:
        return _cancelled(seen, now)
    if plan := rejected(seen, now) or _refused(seen, now):
        return plan
    if held_up := _waits_for_people(seen) or awaits_approval(seen):
        return _wait(seen, now, *held_up)
    return _waits_for_the_last_attempt(seen, now) or _take_its_turn(seen, now)


def _waits_for_the_last_attempt(seen: Observed, now: datetime) -> Plan | None:
    if not seen.command.is_between_attempts:
        return None
    return wait_for_back_off(seen, now) or wait_for_pods(seen)


def _take_its_turn(seen: Observed, now: datetime) -> Plan:
    if held_up := _waits_for_its_turn(seen):
        return _wait(seen, now, *held_up)
    if seen.command.attempt and not seen.command.holds_finalizer:
        # Before the claim is written, whose version is what executors compare until something is made for it.
        return claim(seen, now).then(HoldFinalizer())
    return claim(seen, now)


def _cancelled(seen: Observed, now: datetime) -> Plan:
    message = "Cancelled; its work is kept." if seen.command.attempt else "Cancelled before it was claimed."
    return failed(seen, now, Reason.CANCELLED, message, in_charge(seen, now))


def _refused(seen: Observed, now: datetime) -> Plan | None:
    """One that has begun waits for others of its commitment: it has work to go on with."""
    if problem := _problem(seen):
        return failed(seen, now, Reason.INVALID_SPEC, problem, in_charge(seen, now))
    if seen.load.commitment_taken_by and not seen.command.attempt:
        return failed(seen, now, Reason.COMMITMENT_ACTIVE, _commitment_message(seen))
    return None


def _problem(seen: Observed) -> str:
    """What no schema can say: a context within all its bounds may still be more than a process can be handed, and
    which labels give rights the installation knows best."""
    context = seen.command.spec.context
    size = len(json.dumps(context.to_dict(), ensure_ascii=False).encode()) if context else 0
    if size > MAX_CONTEXT_BYTES:
        return f"spec.context takes {size} bytes as JSON, at most {MAX_CONTEXT_BYTES} are possible: make it shorter."
    return "" if seen.command.attempt else _template_problem(seen)


def _template_problem(seen: Observed) -> str:
    """Each installation allows what it likes: whether another machine's does, its executors know."""
    spec = seen.command.spec
    if spec.target_machine not in {"", seen.identity.machine}:
        return ""
    return template_problem(spec.pod_template, seen.limits.pod_template_keys)


def claim(seen: Observed, now: datetime) -> Plan:
    """The compare-and-set: this status is written only over the version of the object that was observed."""
    command, who = seen.command, seen.identity
    epoch = (command.status.last_epoch or 0) + 1
    message = f"Claimed by {who.executor} on machine {who.machine}."
    status = begin(command, StatusEditor(command, now)).set(
        claim=Claim(executor=who.executor, machine=who.machine, epoch=epoch, at=now),
        attempt=command.attempt + 1,
        agent=seen.agent_name,
        command_id=command.command_id,
        commitment_id=command.commitment_id,
        volume_name=worktree_volume_name(command.name) if command.spec.with_worktree else None,
        start_time=_begins_at(seen, now),
    )
    status.condition(ConditionType.CLAIMED, "True", Reason.CLAIMED, message)
    status.condition(ConditionType.SUCCEEDED, "Unknown", Reason.IN_PROGRESS)
    status.progressing(Reason.CLAIMED, message)
    return Plan(status=status.done(), events=(Event("Claimed", message),), go_on=True)


def _begins_at(seen: Observed, now: datetime) -> datetime:
    """After the end of the last attempt, which may have been told by a clock that is ahead of ours: whoever follows the
    command tells a new beginning from an old one by it."""
    ends = [attempt.completion_time + AFTER_ITS_END for attempt in seen.command.status.attempts[-1:]]
    return max([now, *ends])


def _waits_for_people(seen: Observed) -> Wait | None:
    spec = seen.command.spec
    if spec.suspend:
        return Reason.SUSPENDED, SUSPENDED
    if seen.command.attempt and (problem := _template_problem(seen)):  # it was taken before, and has work to go on with
        return Reason.INVALID_SPEC, problem
    if seen.repository is None:
        name = spec.repository.name
        return (
            Reason.REPOSITORY_NOT_FOUND,
            f"Repository {name!r} is not in namespace {seen.command.namespace!r}: make it.",
        )
    if problem := url_problem(seen.repository.url, has_credential=seen.repository.credentials_secret is not None):
        return Reason.INVALID_REPOSITORY_URL, f"Repository {spec.repository.name!r}: {problem}"
    if seen.agent is None:
        return Reason.AGENT_NOT_FOUND, (
            f"Agent {seen.agent_name!r} is not in namespace {seen.command.namespace!r}: "
            "make it, or name another in spec.agent."
        )
    return None


def _waits_for_its_turn(seen: Observed) -> Wait | None:
    spec = seen.command.spec
    if spec.target_machine and spec.target_machine != seen.identity.machine:
        return Reason.WAITING_FOR_MACHINE, _machine_message(seen)
    if other := seen.load.commitment_taken_by:
        return Reason.CONCURRENCY_LIMIT_REACHED, f"Waits for its turn: {other!r} works on the same commitment."
    if held_up := no_room(spec.with_worktree, seen.load, seen.limits, seen.repository):
        return held_up
    return None if seen.is_its_turn else (Reason.CONCURRENCY_LIMIT_REACHED, "Waits for its turn: others come first.")


def _machine_message(seen: Observed) -> str:
    message = f"Waits for an executor of machine {seen.command.spec.target_machine!r}"
    return f"{message}: none is alive." if nobody_could(seen) else f"{message}."


def _wait(seen: Observed, now: datetime, reason: Reason, message: str) -> Plan:
    if _is_told(seen, reason) or not is_ours_to_tell(seen):
        return Plan(look_again_after=LOOK_AGAIN)
    status = StatusEditor(seen.command, now)
    if reason in WAITING_FOR_ROOM:
        status.progressing(reason, message)
        if status.done() is not None:  # by itself a place is no reason to write: there may be thousands of them
            status.set(queue_position=shown_place(seen.place))
    else:
        status.waiting(reason, message)
    is_news = seen.command.condition_reason(ConditionType.READY) != reason
    events = (Event(reason, message),) if is_news else ()
    return Plan(status=status.done(), events=events, look_again_after=LOOK_AGAIN)


def _is_told(seen: Observed, reason: Reason) -> bool:
    """Which limit holds it may look different to each executor: each correcting the others would never end. That it
    waits for a machine is no news once an executor of that machine has put it into the queue."""
    command = seen.command
    if reason not in WAITING_FOR_ROOM | {Reason.WAITING_FOR_MACHINE}:
        return False
    return command.waits_for_room and command.status.observed_generation == command.generation


def word_for(seen: Observed) -> Wait | None:
    """What there is to say of a command that waits, whoever says it."""
    return _waits_for_people(seen) or awaits_approval(seen) or _waits_for_its_turn(seen)


def _commitment_message(seen: Observed) -> str:
    return (
        f"Commitment {seen.command.commitment_id} is being worked on by BugCommand {seen.load.commitment_taken_by!r}: "
        "wait until that has ended and make a new BugCommand, or use another commitmentId."
    )
