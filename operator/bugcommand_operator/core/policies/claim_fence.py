"""Room that several executors share: a claim that took too much of it is given back before anything is made for it.

Each claim is atomic, but two executors that each see one free place can both claim. The API server has put their
claims in an order, which is that of the objects' versions; its watch shows them in it. So whoever has been shown its
own claim knows of all claims before it, and those that came first stay. Everybody finds the same, nobody asks, and
nothing is written but by who claimed too much.

An executor's own limit needs no fence: it knows what it is claiming itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command, Observed
from bugcommand_operator.core.plan import Event, Plan
from bugcommand_operator.core.policies.room import no_shared_room, shares_room
from bugcommand_operator.core.status import StatusEditor

SETTLES_AFTER = timedelta(milliseconds=100)
"""The watches of several namespaces, and what does not come past kopf, may be a little apart."""
LOOK_AGAIN = timedelta(seconds=1)


def give_back_too_much(seen: Observed, now: datetime) -> Plan | None:
    command = seen.command
    if (
        not command.has_only_been_claimed
        or seen.agent_pod is not None
        or command.spec.cancel
        or command.is_to_be_parked
    ):
        return None
    if not shares_room(command.spec, seen.limits, seen.repository, seen.has_rival):
        return None
    if seen.claim_heard_for is None:
        return Plan(look_again_after=LOOK_AGAIN)
    if seen.claim_heard_for < SETTLES_AFTER:
        return Plan(look_again_after=SETTLES_AFTER - seen.claim_heard_for)
    held_up = _too_much(seen)
    return _give_back(seen, now, *held_up) if held_up else None


def comes_before(other: Command, mine: Command) -> bool:
    """Of two claims. One that something was made for is past giving back. The version of one that nothing was made for
    is that of its claim, but for a user's edit in between."""
    return not other.has_only_been_claimed or _version(other) < _version(mine)


def _too_much(seen: Observed) -> tuple[Reason, str] | None:
    if seen.load.commitment_taken_by:
        return Reason.COMMITMENT_ACTIVE, f"Its commitment was claimed first by {seen.load.commitment_taken_by!r}."
    return no_shared_room(seen.command.spec.with_worktree, seen.load, seen.limits, seen.repository)


def _give_back(seen: Observed, now: datetime, reason: Reason, message: str) -> Plan:
    """As it was before the claim, but that no later claim has this one's epoch again."""
    command = seen.command
    epoch = command.status.claim.epoch if command.status.claim else None
    status = StatusEditor(command, now).set(
        claim=None,
        last_epoch=epoch,
        attempt=command.attempt - 1 or None,
        start_time=None,
    )
    if command.attempt == 1:
        status.set(agent=None, volume_name=None)
    elif command.status.attempts:  # by its pod it is known that the attempt before may have left work
        status.set(pod_name=command.status.attempts[-1].pod_name)
    status.condition(ConditionType.CLAIMED, "False", Reason.CLAIM_GIVEN_BACK, "Another executor's claim came first.")
    status.progressing(Reason.CONCURRENCY_LIMIT_REACHED if reason == Reason.COMMITMENT_ACTIVE else reason, message)
    return Plan(status=status.done(), events=(Event(Reason.CLAIM_GIVEN_BACK, message),))


def _version(command: Command) -> int:
    return int(command.resource_version) if command.resource_version.isdigit() else 0
