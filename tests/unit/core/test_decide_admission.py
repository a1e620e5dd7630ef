"""Whether a command is claimed, waits, or ends before it was claimed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    LIMITS,
    ME,
    NOW,
    OTHER_UID,
    UID,
    claimed,
    command,
    condition,
    observed,
    repository,
    status,
)

from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Load, Observed
from bugcommand_operator.core.plan import NOTHING
from bugcommand_operator.core.policies.share import ONLOOKING


@dataclass(frozen=True)
class Waits:
    reason: Reason
    spec: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    needs_a_person: bool = True

    def observed(self) -> Observed:
        return observed(command(**self.spec), **self.seen)


WAITING = {
    "a suspended command": Waits(Reason.SUSPENDED, {"suspend": True}),
    "a Repository at a metadata service's address, written otherwise": Waits(
        Reason.INVALID_REPOSITORY_URL,
        seen={"repository": repository(url="https://2852039166/latest/meta-data")},
    ),
    "a command whose Repository is not there": Waits(Reason.REPOSITORY_NOT_FOUND, seen={"repository": None}),
    "a command whose Agent is not there": Waits(Reason.AGENT_NOT_FOUND, seen={"agent": None}),
    "a command for another machine": Waits(
        Reason.WAITING_FOR_MACHINE, {"targetMachine": "site-2"}, {"unchanged_for": ONLOOKING}
    ),
    "a command whose checkout is in use": Waits(
        Reason.WAITING_FOR_CHECKOUT, {"withWorktree": False}, {"load": Load(checkout_taken_by="other")}, False
    ),
    "a command when the executor is full": Waits(
        Reason.CONCURRENCY_LIMIT_REACHED, seen={"load": Load(executor=LIMITS.executor)}, needs_a_person=False
    ),
    "a command when its Repository is full": Waits(
        Reason.CONCURRENCY_LIMIT_REACHED,
        seen={"load": Load(repository=2), "repository": repository(concurrency={"limit": 2})},
        needs_a_person=False,
    ),
    "a command when its namespace is full": Waits(
        Reason.CONCURRENCY_LIMIT_REACHED,
        seen={"load": Load(namespace=3), "limits": replace(LIMITS, namespace=3)},
        needs_a_person=False,
    ),
    "a command when its machine is full": Waits(
        Reason.CONCURRENCY_LIMIT_REACHED,
        seen={"load": Load(machine=3), "limits": replace(LIMITS, machine=3)},
        needs_a_person=False,
    ),
    "a command when others come first": Waits(
        Reason.CONCURRENCY_LIMIT_REACHED, seen={"is_its_turn": False}, needs_a_person=False
    ),
    "a command that somebody has to approve": Waits(Reason.AWAITING_APPROVAL, {"approval": "Required"}),
}


@pytest.mark.parametrize("name", WAITING)
def test_it_waits_and_says_for_what(name: str) -> None:
    case = WAITING[name]
    plan = decide(case.observed(), NOW)

    assert plan.status is not None
    assert plan.status.claim is None
    waits_for_approval = case.reason == Reason.AWAITING_APPROVAL
    assert plan.status.phase == (Phase.AWAITING_APPROVAL if waits_for_approval else Phase.PENDING)
    conditions = {c.type: c for c in plan.status.conditions}
    assert (conditions["Ready"].status, conditions["Ready"].reason) == ("False", case.reason)
    assert conditions["Stalled"].status == ("True" if case.needs_a_person else "False")
    assert conditions["Ready"].message
    assert (plan.actions, [e.reason for e in plan.events]) == ((), [case.reason])
    assert plan.look_again_after is not None


@pytest.mark.parametrize("name", WAITING)
def test_waiting_on_writes_nothing_and_posts_nothing_anew(name: str) -> None:
    case = WAITING[name]
    seen = case.observed()
    first = decide(seen, NOW)
    assert first.status is not None

    again = decide(replace(seen, command=replace(seen.command, status=first.status)), NOW + timedelta(seconds=30))

    assert (again.status, again.events) == (None, ())


def test_a_queue_that_changes_its_length_is_not_written_down_each_time() -> None:
    seen = observed(load=Load(executor=4))
    first = decide(seen, NOW)
    assert first.status is not None

    again = decide(observed(replace(seen.command, status=first.status), load=Load(executor=5)), NOW)

    assert again.status is None


@pytest.mark.parametrize(
    ("load", "limit"),
    [
        (Load(9, 9, 9, 9), "the Repository lets 2"),
        (Load(9, 9, 9, 1), "at most 3 commands of one namespace"),
        (Load(9, 9, 2, 1), "at most 5 commands run at once on this machine"),
        (Load(4, 4, 2, 1), "an executor runs at most 4"),
    ],
)
def test_it_says_which_limit_holds_it(load: Load, limit: str) -> None:
    limits = replace(LIMITS, namespace=3, machine=5)
    plan = decide(observed(load=load, limits=limits, repository=repository(concurrency={"limit": 2})), NOW)

    assert limit in plan.events[0].message


def test_what_another_executor_has_said_of_the_queue_is_left_as_it_is() -> None:
    theirs = observed(load=Load(machine=5), limits=replace(LIMITS, machine=5, executor=9))
    stored = decide(theirs, NOW).status
    assert stored is not None
    mine = observed(replace(theirs.command, status=stored), load=Load(executor=4))
    assert decide(mine, NOW).status is None

    edited = decide(replace(mine, command=replace(mine.command, generation=2)), NOW).status
    assert edited is not None
    assert edited.observed_generation == 2


def test_a_limit_of_zero_is_none() -> None:
    got = decide(observed(load=Load(machine=9_999, namespace=9_999, repository=9_999)), NOW).status

    assert got is not None
    assert got.claim is not None


def test_its_place_is_told_with_what_is_written_anyway_and_is_no_reason_to_write() -> None:
    seen = observed(is_its_turn=False, place=1234)
    first = decide(seen, NOW)
    assert first.status is not None
    assert first.status.queue_position == 1200

    stored = replace(seen.command, status=first.status)
    assert decide(replace(seen, command=stored, place=3), NOW).status is None
    now_claimed = decide(replace(seen, command=stored, is_its_turn=True), NOW).status
    assert now_claimed is not None
    assert now_claimed.queue_position is None
    suspended = replace(stored, spec=command(suspend=True).spec)
    held = decide(replace(seen, command=suspended), NOW).status
    assert held is not None
    assert held.queue_position is None


def test_no_later_claim_has_the_epoch_of_one_that_was_given_back() -> None:
    got = decide(observed(command(status(last_epoch=3))), NOW).status

    assert got is not None
    assert got.claim is not None
    assert got.claim.epoch == 4


def test_a_command_that_may_run_is_claimed_with_all_that_its_children_are_named_by() -> None:
    plan = decide(observed(), NOW)

    got = plan.status
    assert got is not None
    assert got.claim is not None
    assert (got.claim.executor, got.claim.machine, got.claim.epoch, got.claim.at) == (ME.executor, ME.machine, 1, NOW)
    assert (got.attempt, got.agent, got.command_id, got.volume_name) == (1, "claude", UID, "fix-login-worktree")
    assert got.commitment_id == "cmt_0b5c7c0e58c1"
    assert got.phase == Phase.CLAIMED
    assert (plan.actions, plan.go_on) == ((), True)


def test_the_ids_that_the_spec_names_are_taken() -> None:
    named = command(commandId=OTHER_UID, commitmentId="cmt_login", withWorktree=False)
    got = decide(observed(named), NOW).status

    assert got is not None
    assert (got.command_id, got.commitment_id, got.volume_name) == (OTHER_UID, "cmt_login", None)


def test_a_command_for_this_machine_is_claimed() -> None:
    got = decide(observed(command(targetMachine=ME.machine)), NOW).status

    assert got is not None
    assert got.claim is not None


def test_a_command_with_a_worktree_does_not_wait_for_the_checkout() -> None:
    got = decide(observed(load=Load(checkout_taken_by="other")), NOW).status

    assert got is not None
    assert got.claim is not None


def test_a_commitment_that_is_being_worked_on_is_refused() -> None:
    plan = decide(observed(load=Load(commitment_taken_by="other")), NOW)

    assert plan.status is not None
    assert plan.status.phase == Phase.REFUSED
    assert plan.status.claim is None
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", Reason.COMMITMENT_ACTIVE)]


@pytest.mark.parametrize("seen", [observed(command(cancel=True)), observed(command(cancel=True, suspend=True))])
def test_a_cancellation_before_the_claim_ends_it_there(seen: Observed) -> None:
    plan = decide(seen, NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.status.claim, plan.actions) == (Phase.CANCELLED, None, ())


def test_what_another_executor_has_claimed_is_left_alone() -> None:
    theirs = command(claimed(executor="bridge-1"))

    assert decide(observed(theirs), NOW) == NOTHING


def test_a_finished_command_is_not_claimed_again() -> None:
    done = command(status(condition(ConditionType.SUCCEEDED, "False", Reason.COMMITMENT_ACTIVE)))

    assert decide(observed(done), NOW) == NOTHING


def test_a_context_that_no_process_can_be_handed_is_refused() -> None:
    long = {"constraints": ["é" * 1024] * 30, "successCriteria": ["é" * 1024] * 30}
    plan = decide(observed(command(context=long)), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.events[0].reason) == (Phase.REFUSED, Reason.INVALID_SPEC)
    assert "spec.context" in plan.events[0].message
    assert decide(observed(command(context={"constraints": ["é" * 1024] * 30})), NOW).events[0].reason == "Claimed"
