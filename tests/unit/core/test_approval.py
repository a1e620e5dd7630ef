"""A command that needs somebody's agreement waits for it, and ends when it is rejected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    NOW,
    claimed,
    command,
    condition,
    ended_pod,
    held_command,
    observed,
    repository,
    working,
)

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Load

APPROVED = Decided(decision=Decision.APPROVED, by="jane", at=NOW)
REJECTED = Decided(decision=Decision.REJECTED, by="jane", at=NOW, message="Not on a Friday.")
BY_REPOSITORY = {"repository": repository(approval="Required")}


def status(decided: Decided | None) -> BugCommandStatus:
    return BugCommandStatus(approval=decided)


@pytest.mark.parametrize("seen", [{}, BY_REPOSITORY])
@pytest.mark.parametrize("spec", [{}, {"approval": "Required"}])
def test_it_waits_when_the_command_or_its_repository_asks_for_it(seen: dict[str, Any], spec: dict[str, Any]) -> None:
    plan = decide(observed(command(**spec), **seen), NOW)

    assert plan.status is not None
    if seen or spec:
        assert (plan.status.phase, plan.status.claim) == (Phase.AWAITING_APPROVAL, None)
        assert [event.reason for event in plan.events] == [Reason.AWAITING_APPROVAL]
        assert "/bridge/commands/team-a/fix-login/approval" in plan.events[0].message
    else:
        assert plan.status.phase == Phase.CLAIMED


def test_it_is_claimed_once_it_is_approved() -> None:
    plan = decide(observed(command(status(APPROVED), approval="Required"), **BY_REPOSITORY), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.status.approval) == (Phase.CLAIMED, APPROVED)


def test_one_that_was_approved_still_waits_for_its_turn() -> None:
    plan = decide(observed(command(status(APPROVED), approval="Required"), load=Load(executor=4)), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.status.queue_position) == (Phase.PENDING, 1)


def test_approval_comes_before_the_queue() -> None:
    plan = decide(observed(command(approval="Required"), load=Load(executor=4), is_its_turn=False, place=7), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.status.queue_position) == (Phase.AWAITING_APPROVAL, None)


@pytest.mark.parametrize("spec", [{}, {"approval": "Required"}, {"suspend": True}])
def test_a_rejected_one_ends_as_refused_and_says_who_when_and_why(spec: dict[str, Any]) -> None:
    plan = decide(observed(command(status(REJECTED), **spec)), NOW + timedelta(hours=1))

    assert plan.status is not None
    assert (plan.status.phase, plan.status.claim) == (Phase.REFUSED, None)
    (event,) = plan.events
    assert (event.reason, event.type) == (Reason.APPROVAL_REJECTED, "Warning")
    assert event.message == "Rejected by jane at 2026-03-01T12:00:00Z: Not on a Friday."


def test_attempts_begin_by_themselves_only_as_often_as_was_approved() -> None:
    """What is asked for can be changed later, by whoever may edit the command."""
    for approved, again in ((0, False), (1, True)):
        decided = APPROVED.model_copy(update={"retry_limit": approved})
        of = held_command(working(approval=decided), approval="Required", retry={"limit": 10})
        plan = decide(observed(of, agent_pod=ended_pod(69, says={"reason": "ModelOverloaded"})), NOW)
        assert plan.status is not None
        assert (plan.status.phase == Phase.PENDING) == again


def test_an_approval_of_what_needs_none_limits_nothing() -> None:
    of = held_command(working(approval=APPROVED), retry={"limit": 1})
    plan = decide(observed(of, agent_pod=ended_pod(69, says={"reason": "ModelOverloaded"})), NOW)
    assert plan.status is not None
    assert plan.status.phase == Phase.PENDING


@pytest.mark.parametrize(("covers", "phase"), [(None, Phase.AWAITING_APPROVAL), (1, Phase.CLAIMED)])
def test_one_more_attempt_that_somebody_asks_for_needs_an_approval_of_its_own(covers: int | None, phase: Phase) -> None:
    first = Attempt(attempt=1, reason="Completed", completion_time=NOW)
    decided = APPROVED.model_copy(update={"after_attempt": covers})
    between = BugCommandStatus(attempt=1, attempts=[first], approval=decided)
    plan = decide(observed(held_command(between, approval="Required", retry={"afterAttempt": 1})), NOW)
    assert plan.status is not None
    assert plan.status.phase == phase


@pytest.mark.parametrize("retry", [None, {"limit": 10}, {"afterAttempt": 7}])
@pytest.mark.parametrize(("covers", "phase"), [(None, Phase.AWAITING_APPROVAL), (1, Phase.CLAIMED)])
def test_it_needs_one_also_when_nobody_asks_any_more(
    covers: int | None, phase: Phase, retry: dict[str, Any] | None
) -> None:
    """By then the command has been released for it, and would begin."""
    decided = APPROVED.model_copy(update={"after_attempt": covers})
    succeeded = condition(ConditionType.SUCCEEDED, "True", Reason.COMPLETED)
    finished = working(succeeded, approval=decided, attempts=[Attempt(attempt=1, reason="x", completion_time=NOW)])
    released = decide(observed(held_command(finished, approval="Required", retry={"afterAttempt": 1})), NOW).status
    assert released is not None
    assert released.claim is None

    plan = decide(observed(held_command(released, approval="Required", retry=retry)), NOW)
    assert plan.status is not None
    assert plan.status.phase == phase


def test_who_does_not_wait_for_the_back_off_needs_no_other_approval() -> None:
    first = Attempt(attempt=1, reason="PodLost", completion_time=NOW)
    soon = NOW + timedelta(seconds=10)
    between = BugCommandStatus(attempt=1, attempts=[first], approval=APPROVED, next_attempt_time=soon)
    plan = decide(observed(held_command(between, approval="Required", retry={"limit": 1, "afterAttempt": 1})), NOW)
    assert plan.status is not None
    assert plan.status.phase == Phase.CLAIMED


def test_a_rejection_that_comes_after_the_claim_changes_nothing() -> None:
    late = claimed(approval=REJECTED)
    plan = decide(observed(command(late, approval="Required")), NOW)

    assert plan.status is not None
    assert plan.status.phase == Phase.PREPARING
