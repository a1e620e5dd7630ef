"""A finished command whose spec says how long it is kept: when it is deleted, what comes first, and by whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    ME,
    NOW,
    UID,
    command,
    condition,
    ended,
    ended_pod,
    held_command,
    observed,
    running,
    ship_pod,
    status,
    volume,
    working,
    working_pod,
)

from bugcommand_operator.api.bugcommand import Claim
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import (
    NOTHING,
    Action,
    CreatePod,
    DeleteCommand,
    DeletePod,
    HoldFinalizer,
    OwnVolume,
)
from bugcommand_operator.core.sharing import ranked

FAILED = condition(ConditionType.SUCCEEDED, "False", Reason.AGENT_FAILED)
CANCELLED = condition(ConditionType.SUCCEEDED, "False", Reason.CANCELLED)
PUBLISHED = condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED)
UNSHIPPED = condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_UNSHIPPED)
DELETED: tuple[Action, ...] = (DeleteCommand(),)
SHIPPED_BY_NOBODY = ship_pod(ended("ship", 1, says={"unshipped": 4}), phase="Failed")


def ended_ago(seconds: float, *conditions: Any, ttl: int | None = 60, **fields: Any) -> Observed:
    """It has failed, and its work is on its volume only."""
    end = NOW - timedelta(seconds=seconds)
    stored = working(FAILED, *conditions, agent_start_time=end, completion_time=end)
    bug = held_command(stored, **({} if ttl is None else {"ttlSecondsAfterFinished": ttl}))
    return observed(bug, **{"volume": volume(), "agent_pod": ended_pod(1), **fields})


def without_finalizer(seen: Observed) -> Observed:
    return replace(seen, command=replace(seen.command, finalizers=()))


NEVER_CLAIMED = observed(
    command(status(CANCELLED, completion_time=NOW - timedelta(seconds=60)), ttlSecondsAfterFinished=60)
)
RUNS = observed(held_command(working(), ttlSecondsAfterFinished=0), volume=volume(), agent_pod=working_pod())

CASES: dict[str, tuple[Observed, tuple[Action, ...]]] = {
    "one that says nothing is kept for ever": (ended_ago(10**8, ttl=None), ()),
    "before its time it stays": (ended_ago(59), ()),
    "at its time it is deleted, its unpublished work left to the finalizer": (ended_ago(60), DELETED),
    "with no time at all it is deleted at once": (ended_ago(0, ttl=0), DELETED),
    "one that ended before anybody claimed it is deleted too": (NEVER_CLAIMED, DELETED),
    "one that runs is not finished, whatever its time": (replace(RUNS), ()),
    "lines that are only on the volume are shipped first": (ended_ago(60, UNSHIPPED), (CreatePod("ship"),)),
    "shipping that goes on is waited for": (ended_ago(60, UNSHIPPED, ship_pod=ship_pod(running("ship"))), ()),
    "shipping that failed is tried again": (ended_ago(700, UNSHIPPED, ship_pod=SHIPPED_BY_NOBODY), ()),
    "lines that nobody could ship for a day are left to the deletion": (ended_ago(90_000, UNSHIPPED), DELETED),
    "an agent that goes on is ended first": (
        ended_ago(60, agent_pod=working_pod()),
        (DeletePod(working_pod().name, working_pod().uid),),
    ),
    "a volume whose work is safe is first given to the command": (
        ended_ago(60, PUBLISHED),
        (OwnVolume(volume().name),),
    ),
    "one without finalizer gets it first": (without_finalizer(ended_ago(60)), (HoldFinalizer(),)),
    "even when its volume was not shown yet": (without_finalizer(ended_ago(60, volume=None)), (HoldFinalizer(),)),
}


@pytest.mark.parametrize("name", CASES)
def test_when_it_goes(name: str) -> None:
    seen, actions = CASES[name]
    assert decide(seen, NOW).actions == actions


def test_it_is_looked_at_again_when_its_time_is_over() -> None:
    assert decide(ended_ago(20), NOW).look_again_after == timedelta(seconds=40)


def test_a_time_that_was_changed_counts_from_the_same_end() -> None:
    assert decide(ended_ago(20, ttl=3600), NOW).look_again_after == timedelta(seconds=3580)
    assert decide(ended_ago(20, ttl=10), NOW).actions == DELETED


def test_what_is_still_to_be_done_of_it_is_looked_at_again() -> None:
    for name in ("shipping that goes on is waited for", "an agent that goes on is ended first"):
        plan = decide(CASES[name][0], NOW)
        assert plan.look_again_after is not None, name
        assert plan.look_again_after <= timedelta(minutes=1), name


def test_it_is_told() -> None:
    (event,) = decide(ended_ago(61), NOW).events
    assert (event.reason, event.type) == ("Expired", "Normal")
    assert "60 s" in event.message


def test_one_that_nobody_claimed_is_deleted_by_one_of_all_that_are_alive() -> None:
    ids = ("bridge-0", "bridge-1", "bridge-2")
    live = Executors(live=tuple(Peer(name, ME.machine, 4) for name in ids), may_be_alive=frozenset(ids))
    plans = {
        name: decide(replace(NEVER_CLAIMED, executors=live, identity=replace(ME, executor=name)), NOW) for name in ids
    }

    assert [name for name, plan in plans.items() if plan.actions] == ranked(UID, ids)[:1]
    assert all(plan.look_again_after for plan in plans.values() if not plan.actions)


def dead_ones(seconds: float) -> Observed:
    """Its executor, bridge-9, is dead."""
    seen = ended_ago(seconds)
    claim = Claim(executor="bridge-9", machine=ME.machine, epoch=1, at=NOW)
    changed = seen.command.status.model_copy(update={"claim": claim})
    alive = Executors(live=(Peer(ME.executor, ME.machine, 4),), may_be_alive=frozenset({ME.executor}))
    return replace(seen, command=replace(seen.command, status=changed), executors=alive)


def test_what_a_dead_executor_has_left_is_taken_over_when_its_time_is_over_and_not_before() -> None:
    before, after = decide(dead_ones(20), NOW), decide(dead_ones(60), NOW)

    assert (before.status, before.actions, before.look_again_after) == (None, (), timedelta(seconds=40))
    assert after.status is not None
    assert after.status.claim is not None
    assert after.status.claim.executor == ME.executor


def test_what_another_has_claimed_is_that_one_s_to_delete() -> None:
    assert decide(replace(dead_ones(60), executors=Executors()), NOW) == NOTHING
