"""Among several executors: whose an unclaimed command is, who speaks of it, and who takes over from the dead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import ME, NOW, UID, claimed, command, condition, observed, working, working_pod
from tests.unit.core.strategies import moments, worlds

from bugcommand_operator.api.bugcommand import Claim
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.decide import decide, leave_to_its_executor
from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.observed import Load, Observed
from bugcommand_operator.core.plan import NOTHING, Plan
from bugcommand_operator.core.policies.share import ONLOOKING
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.core.sharing import ranked

IDS = ("bridge-0", "bridge-1", "bridge-2")
MACHINE = ME.machine


def peer(name: str, **fields: Any) -> Peer:
    return Peer(name, **{"machine": MACHINE, "capacity": 4, **fields})


def executors(*peers: Peer, dead: tuple[str, ...] = (), **fields: Any) -> Executors:
    """All judged; those that are named as dead are not among the living."""
    live = tuple(p for p in peers or map(peer, IDS) if p.id not in dead)
    return Executors(live, **{"may_be_alive": frozenset(p.id for p in live), **fields})


def seen_by(name: str, who: Executors, machine: str = MACHINE, **fields: Any) -> Observed:
    return observed(**{"identity": Identity(name, machine), "executors": who, "command": command(), **fields})


ORDER = ranked(UID, IDS)
"""Whose it is, first to last."""


def test_the_preferred_executor_claims_and_the_others_leave_it_to_it() -> None:
    plans = {name: decide(seen_by(name, executors()), NOW - timedelta(seconds=5)) for name in IDS}

    assert [name for name, plan in plans.items() if plan.status is not None] == [ORDER[0]]
    assert all(plan.look_again_after for name, plan in plans.items() if name != ORDER[0])


def test_a_command_that_was_left_is_taken_by_the_next_after_a_while() -> None:
    second = seen_by(ORDER[1], executors())
    wait = decide(second, second.command.created_at).look_again_after

    assert wait is not None
    assert decide(second, second.command.created_at + wait).status is not None


def test_what_the_preferred_one_has_no_room_for_another_takes_at_once() -> None:
    full = [peer(name, running=4 if name == ORDER[0] else 0) for name in IDS]
    at = command().created_at

    assert decide(seen_by(ORDER[1], executors(*full)), at).status is not None
    assert decide(seen_by(ORDER[2], executors(*full)), at).status is None


def test_what_was_a_dead_one_s_share_another_takes_at_once() -> None:
    assert decide(seen_by(ORDER[1], executors(dead=(ORDER[0],))), command().created_at).status is not None


def test_one_without_room_says_nothing_while_another_has_some() -> None:
    plan = decide(seen_by(ORDER[0], executors(), load=Load(executor=4)), NOW)

    assert (plan.status, plan.events) == (None, ())


def test_when_all_are_full_exactly_one_says_so() -> None:
    full = executors(*(peer(name, running=4) for name in IDS))
    plans = [decide(seen_by(name, full, load=Load(executor=4)), NOW) for name in IDS]
    told = [plan.status for plan in plans if plan.status is not None]

    assert [next(c.reason for c in status.conditions if c.type == "Ready") for status in told] == [
        Reason.CONCURRENCY_LIMIT_REACHED
    ]


def test_an_executor_whose_lease_is_not_renewed_claims_nothing() -> None:
    plan = decide(seen_by(ORDER[0], executors(may_claim=False)), NOW)

    assert (plan.status, plan.actions) == (None, ())
    assert plan.look_again_after is not None


OTHER_MACHINE = tuple(peer(name, machine="site-2") for name in IDS)


def test_a_command_for_a_machine_of_which_none_is_alive_waits_and_says_so_once() -> None:
    bug = command(target_machine="site-1")
    who = executors(*OTHER_MACHINE)
    plans = [decide(seen_by(name, who, "site-2", command=bug, unchanged_for=ONLOOKING), NOW) for name in IDS]
    told = [plan.status for plan in plans if plan.status is not None]

    assert len(told) == 1
    ready = next(c for c in told[0].conditions if c.type == "Ready")
    assert (ready.reason, ready.message) == (
        Reason.WAITING_FOR_MACHINE,
        "Waits for an executor of machine 'site-1': none is alive.",
    )


SECOND = timedelta(seconds=1)
SILENT: dict[str, dict[str, Any]] = {
    "just after it was seen": {},
    "before it has been unchanged for long enough": {"unchanged_for": ONLOOKING - SECOND},
    "while the registry is not sure": {
        "unchanged_for": ONLOOKING,
        "executors": executors(*OTHER_MACHINE, may_be_alive=None),
    },
}


@pytest.mark.parametrize("case", SILENT)
def test_nothing_is_said_of_a_command_for_another_machine(case: str) -> None:
    bug = command(target_machine="site-1")
    for name in IDS:
        seen = seen_by(name, executors(*OTHER_MACHINE), "site-2", command=bug)
        plan = decide(replace(seen, **SILENT[case]), NOW)
        assert (plan.status, plan.events) == (None, ())
        assert plan.look_again_after


def test_it_is_looked_at_again_when_there_is_something_to_say() -> None:
    bug, who = command(target_machine="site-1"), executors(*OTHER_MACHINE)
    plans = [decide(seen_by(n, who, "site-2", command=bug, unchanged_for=4 * SECOND), NOW) for n in IDS]

    assert min(p.look_again_after or timedelta(hours=1) for p in plans) == ONLOOKING - 4 * SECOND


def test_of_a_command_for_another_machine_that_is_alive_only_that_one_speaks() -> None:
    there = peer("bridge-far", machine="site-1", running=4)
    bug = command(target_machine="site-1", repository={"name": "shop"})
    who = executors(*OTHER_MACHINE, there)

    assert all(decide(seen_by(name, who, "site-2", command=bug), NOW).status is None for name in IDS)
    its = decide(seen_by("bridge-far", who, "site-1", command=bug, load=Load(executor=4)), NOW)
    assert its.status is not None


# --- taking over


def orphan(machine: str = MACHINE, **fields: Any) -> Observed:
    """A running command whose executor, bridge-9, is dead."""
    stored = working(condition(ConditionType.AGENT_RUNNING, "True", "AgentStarted"))
    claim = Claim(executor="bridge-9", machine=machine, epoch=3, at=NOW)
    bug = command(stored.model_copy(update={"claim": claim}))
    return seen_by(ORDER[0], executors(), **{"command": bug, "agent_pod": working_pod(), **fields})


def test_a_dead_executor_s_command_goes_to_exactly_one_with_the_next_epoch_and_the_same_attempt() -> None:
    plans = [decide(replace(orphan(), identity=Identity(name, MACHINE)), NOW) for name in IDS]
    taken = [plan for plan in plans if plan != NOTHING]

    assert len(taken) == 1
    status = taken[0].status
    assert status is not None
    assert status.claim is not None
    assert (status.claim.executor, status.claim.epoch, status.attempt) == (ORDER[0], 4, 1)
    assert (taken[0].actions, [e.reason for e in taken[0].events], taken[0].go_on) == ((), ["TakenOver"], True)


NOT_TAKEN = {
    "of another machine": orphan("site-2"),
    "of one that may be alive": orphan(executors=executors(*map(peer, (*IDS, "bridge-9")))),
    "while nobody can be judged": orphan(executors=executors(may_be_alive=None)),
    "by one whose own Lease is not renewed": orphan(executors=executors(may_claim=False)),
    "without a registry": orphan(executors=Executors()),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_a_command_is_not_taken_over(case: str) -> None:
    assert decide(NOT_TAKEN[case], NOW) == NOTHING
    assert leave_to_its_executor(NOT_TAKEN[case], NOW) == NOTHING


def test_a_claim_that_is_younger_than_what_is_known_of_its_executor_s_death_is_left_to_it_for_a_while() -> None:
    """It has come back, claims, and the others have not looked at its Lease since."""
    seen = orphan(executors=executors(lease=timedelta(seconds=15)))
    early = NOW + timedelta(seconds=5)

    assert decide(seen, early) == Plan(look_again_after=timedelta(seconds=10))
    assert leave_to_its_executor(seen, early) == Plan(look_again_after=timedelta(seconds=10))
    for late in (timedelta(seconds=15), timedelta(hours=-3)):  # the second: it was claimed by a clock that was ahead
        taken = decide(seen, NOW + late)
        assert [event.reason for event in taken.events] == ["TakenOver"]


def test_a_command_that_has_ended_and_is_at_rest_is_left_alone() -> None:
    done = working(condition(ConditionType.SUCCEEDED, "True", "Completed"), completion_time=NOW)
    claim = Claim(executor="bridge-9", machine=MACHINE, epoch=1, at=NOW)
    seen = orphan(command=command(done.model_copy(update={"claim": claim})), agent_pod=None)

    assert decide(seen, NOW) == NOTHING


def test_a_command_that_has_ended_with_something_left_to_do_is_taken_over() -> None:
    done = working(condition(ConditionType.SUCCEEDED, "False", "Cancelled"), completion_time=NOW)
    claim = Claim(executor="bridge-9", machine=MACHINE, epoch=1, at=NOW)
    seen = orphan(command=command(done.model_copy(update={"claim": claim})))
    plan = decide(seen, NOW)

    assert plan.status is not None
    assert plan.status.claim is not None
    assert plan.status.claim.epoch == 2


def test_after_it_was_taken_over_a_command_is_not_its_former_executor_s() -> None:
    taken = decide(orphan(), NOW).status
    assert taken is not None
    late = seen_by("bridge-9", executors(), command=command(taken), agent_pod=working_pod())

    assert decide(late, NOW) == NOTHING


@given(worlds(), moments(), st.sets(st.sampled_from(IDS)), st.booleans())
def test_whoever_is_dead_acts_happen_only_under_a_claim_of_one_s_own(
    seen: Observed, now: Any, dead: set[str], known: bool
) -> None:
    who = executors(dead=tuple(dead - {ME.executor}), **({} if known else {"may_be_alive": None}))
    plan = decide(replace(seen, executors=who), now)
    before, after = seen.command.status.claim, plan.status.claim if plan.status is not None else None

    if before is not None and after is not None and before.executor != after.executor:
        assert (after.executor, after.epoch, plan.actions) == (ME.executor, before.epoch + 1, ())
        assert before.executor in dead
        assert plan.status is not None
        assert plan.status.attempt == seen.command.status.attempt


def test_a_claim_of_ours_is_ours_whatever_the_registry_says() -> None:
    mine = seen_by(ME.executor, executors(dead=(ME.executor,)), command=command(claimed()))

    assert leave_to_its_executor(mine, NOW) is None
