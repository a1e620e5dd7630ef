"""A finished command that says how long it is to be kept (`spec.ttlSecondsAfterFinished`) is deleted after that time.

It goes as if a person had deleted it: what `deletion.py` does with work that is nowhere else holds here as well, for
which the finalizer has to be there first. Nothing is deleted while lines of its log are still being shipped.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bugcommand_operator.core.observed import Command, Observed
from bugcommand_operator.core.plan import NOTHING, DeleteCommand, Event, HoldFinalizer, Plan
from bugcommand_operator.core.policies.after import rest
from bugcommand_operator.core.policies.share import is_ours_to_tell

LOOK_AGAIN = timedelta(seconds=10)
"""While something is left to do of a command whose time is over."""
LEFT_TO_ANOTHER = timedelta(minutes=5)


def expire(seen: Observed, now: datetime) -> Plan | None:
    left = time_left(seen.command, now)
    resting = rest(seen, now) if left is not None else None
    if left is None or resting is None:
        return None
    if left > timedelta(0):
        return _again(resting, left)
    if resting != NOTHING:
        return _again(resting, LOOK_AGAIN)
    if not seen.command.is_claimed and not is_ours_to_tell(seen):
        return _again(resting, LEFT_TO_ANOTHER)
    return _delete(seen.command)


def time_left(command: Command, now: datetime) -> timedelta | None:
    """None: it is kept. A time that is changed, sooner or later, counts from the same end."""
    seconds, ended = command.spec.ttl_seconds_after_finished, command.status.completion_time
    if seconds is None or ended is None or not command.is_finished:
        return None
    return timedelta(seconds=seconds) - (now - ended)


def _delete(command: Command) -> Plan:
    if command.attempt and not command.holds_finalizer:
        # It may have a volume that no watch has shown yet.
        return Plan(actions=(HoldFinalizer(),), go_on=True)
    message = f"Deleted: it ended {command.spec.ttl_seconds_after_finished} s ago (spec.ttlSecondsAfterFinished)."
    return Plan(actions=(DeleteCommand(),), events=(Event("Expired", message),), go_on=True)


def _again(plan: Plan, after: timedelta) -> Plan:
    wanted = plan.look_again_after
    return replace(plan, look_again_after=after if wanted is None else min(wanted, after))
