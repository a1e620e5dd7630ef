"""A claim that took more of what executors share than there is, is given back before anything is made for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    LIMITS,
    NOW,
    claimed,
    command,
    held_command,
    observed,
    pod,
    repository,
    volume,
    working,
)

from bugcommand_operator.api.bugcommand import Attempt
from bugcommand_operator.api.conditions import Phase, Reason
from bugcommand_operator.api.names import agent_pod_name
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Command, Load, Observed
from bugcommand_operator.core.plan import DeleteVolume, OwnVolume, Plan
from bugcommand_operator.core.policies.claim_fence import SETTLES_AFTER, comes_before

LATER = NOW + SETTLES_AFTER
LIMITED = {"repository": repository(concurrency={"limit": 1})}
TOO_MUCH: dict[str, dict[str, Any]] = {
    "a Repository": {"load": Load(repository=1), **LIMITED},
    "a namespace": {"load": Load(namespace=1), "limits": replace(LIMITS, namespace=1)},
    "a machine": {"load": Load(machine=1), "limits": replace(LIMITS, machine=1)},
}


def fresh(**spec: Any) -> Command:
    return command(claimed(), **spec)


def gives_back(seen: Observed) -> bool:
    plan = decide(seen, LATER)
    return plan.status is not None and plan.status.claim is None


@pytest.mark.parametrize("name", TOO_MUCH)
def test_it_is_given_back_and_is_as_it_was_but_for_its_epoch(name: str) -> None:
    plan = decide(observed(fresh(), **TOO_MUCH[name]), LATER)

    got = plan.status
    assert got is not None
    assert (got.phase, got.claim, got.attempt, got.volume_name, got.start_time) == (
        Phase.PENDING,
        None,
        None,
        None,
        None,
    )
    assert got.last_epoch == 1
    assert (plan.actions, plan.go_on) == ((), False)
    assert [event.reason for event in plan.events] == [Reason.CLAIM_GIVEN_BACK]


def test_a_checkout_and_a_commitment_are_for_one_alone() -> None:
    assert gives_back(observed(fresh(withWorktree=False), load=Load(checkout_taken_by="other")))
    assert gives_back(observed(fresh(commitmentId="cmt_a"), load=Load(commitment_taken_by="other"), has_rival=True))


@pytest.mark.parametrize("name", TOO_MUCH)
def test_it_stays_when_there_was_room_for_it(name: str) -> None:
    plan = decide(observed(fresh(), **{**TOO_MUCH[name], "load": Load(executor=99)}), LATER)

    assert plan.status is not None
    assert plan.status.phase == Phase.PREPARING


@pytest.mark.parametrize("name", TOO_MUCH)
def test_nothing_is_made_before_all_earlier_claims_are_known(name: str) -> None:
    """However long its own write took: what counts is how long ago the watch has shown it."""
    unheard = observed(fresh(), **{**TOO_MUCH[name], "load": Load()}, claim_heard_for=None)
    just_heard = replace(unheard, claim_heard_for=SETTLES_AFTER / 2)
    for seen in (unheard, just_heard):
        plan = decide(seen, NOW + timedelta(minutes=1))
        assert (plan.actions, plan.status) == ((), None)
        assert plan.look_again_after is not None
        assert plan.look_again_after > timedelta(0)
    assert decide(replace(unheard, claim_heard_for=SETTLES_AFTER), NOW).actions


def test_a_claim_that_shares_no_limit_waits_for_nothing() -> None:
    plan = decide(observed(fresh(), claim_heard_for=None, load=Load(9, 9, 9, 9)), NOW)

    assert plan.actions


@pytest.mark.parametrize(
    "seen",
    [
        observed(held_command(claimed()), **TOO_MUCH["a Repository"]),
        observed(command(working()), **TOO_MUCH["a Repository"]),
        observed(fresh(), agent_pod=pod(phase="Pending"), **TOO_MUCH["a Repository"]),
        observed(fresh(cancel=True), **TOO_MUCH["a Repository"]),
    ],
)
def test_what_something_was_made_for_or_is_cancelled_is_not_given_back(seen: Observed) -> None:
    assert not gives_back(seen)


def test_earlier_claims_come_first_and_so_does_what_was_made_for() -> None:
    mine = replace(fresh(), resource_version="100")
    assert comes_before(replace(mine, resource_version="99"), mine)
    assert not comes_before(replace(mine, resource_version="101"), mine)
    assert comes_before(replace(held_command(claimed()), resource_version="101"), mine)
    assert comes_before(replace(command(working()), resource_version="101"), mine)


def given_back_for_the_second_time() -> Command:
    """Its first attempt was parked, and of its pod nothing is left; the claim of the second was one too many."""
    first = Attempt(attempt=1, reason="Suspended", pod_name=agent_pod_name(command().name, 1), completion_time=NOW)
    second = held_command(claimed(attempt=2, attempts=[first]))
    plan = decide(observed(second, volume=volume(), **TOO_MUCH["a Repository"]), LATER)
    assert plan.status is not None
    assert (plan.status.claim, plan.status.attempt) == (None, 1)
    return held_command(plan.status)


@pytest.mark.parametrize("way_out", ["deleted", "cancelled"])
def test_work_of_the_attempt_before_is_not_taken_for_nothing(way_out: str) -> None:
    stored = given_back_for_the_second_time()
    how: dict[str, Any] = {"deleted_at": LATER} if way_out == "deleted" else {"spec": replace_spec(stored, cancel=True)}
    seen = observed(replace(stored, **how), volume=volume())

    for plan in (first := decide(seen, LATER), decide(after(seen, first), LATER)):
        assert not [a for a in plan.actions if isinstance(a, OwnVolume | DeleteVolume)], way_out


def replace_spec(of: Command, **fields: Any) -> Any:
    return of.spec.model_copy(update=fields)


def after(seen: Observed, plan: Plan) -> Observed:
    assert plan.status is not None
    return replace(seen, command=replace(seen.command, status=plan.status))
