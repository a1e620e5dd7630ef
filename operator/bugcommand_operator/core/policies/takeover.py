"""What a dead executor has left is taken over by another of its machine, the same by everybody's reckoning.

Only the claim changes: its epoch is raised, the attempt is not. Whatever the dead one had come to is seen in the pods,
volumes and the status, and the usual policies go on from there. Should it not be dead after all, its next write fails
over the version that it knows, and once it has read the new one, the command is no longer its own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bugcommand_operator.api.bugcommand import Claim
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import NOTHING, Event, Plan
from bugcommand_operator.core.sharing import preferred
from bugcommand_operator.core.status import StatusEditor


def is_left_to_us(seen: Observed, now: datetime) -> bool:
    """Limits have no say: its agent runs already, or its place was given when it was claimed."""
    claim, me = seen.command.status.claim, seen.identity
    if claim is None or claim.executor == me.executor or claim.machine != me.machine:
        return False
    if not seen.executors.may_claim or not seen.executors.has_died(claim.executor):
        return False
    if _is_younger_than_a_lease(claim, seen, now):
        return False
    heirs = {peer.id for peer in seen.executors.of_machine(me.machine)} - {claim.executor}
    return preferred(seen.command.uid, heirs | {me.executor}) == me.executor


def look_again_at_anothers(seen: Observed, now: datetime) -> Plan:
    """Once it can be left to us, though nobody tells us so."""
    claim = seen.command.status.claim
    if claim is None or not seen.executors.has_died(claim.executor) or not _is_younger_than_a_lease(claim, seen, now):
        return NOTHING
    return Plan(look_again_after=claim.at + seen.executors.lease - now)


def _is_younger_than_a_lease(claim: Claim, seen: Observed, now: datetime) -> bool:
    """Whoever claimed it was alive then: it is back, and we have not seen that yet. A time that is far ahead is not
    waited for: it was told by a clock that was wrong."""
    return abs(now - claim.at) < seen.executors.lease


def as_if_ours(seen: Observed) -> Observed:
    """To see whether there is anything left to do: a command that has ended is mostly at rest, whoever had it."""
    claim = seen.command.status.claim
    assert claim is not None  # noqa: S101 - asked only of what is left to us
    mine = claim.model_copy(update={"executor": seen.identity.executor})
    status = seen.command.status.model_copy(update={"claim": mine})
    return replace(seen, command=replace(seen.command, status=status))


def take_over(seen: Observed, now: datetime) -> Plan:
    claim, me = seen.command.status.claim, seen.identity
    assert claim is not None  # noqa: S101 - asked only of what is left to us
    message = f"Taken over by {me.executor} on machine {me.machine}: {claim.executor} is no longer alive."
    ours = Claim(executor=me.executor, machine=me.machine, epoch=claim.epoch + 1, at=now)
    status = StatusEditor(seen.command, now).set(claim=ours)
    status.condition(ConditionType.CLAIMED, "True", Reason.CLAIMED, message)
    return Plan(status=status.done(), events=(Event("TakenOver", message),), go_on=True)
