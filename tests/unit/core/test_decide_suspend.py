"""A running command is parked with its work, gives its place back, and goes on in another attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    LIMITS,
    NOW,
    claimed,
    condition,
    ended_pod,
    held_command,
    observed,
    pod,
    volume,
    working,
    working_pod,
)

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Load, Observed
from bugcommand_operator.core.plan import DeletePod, Plan

RUNS = condition(ConditionType.AGENT_RUNNING, "True", Reason.AGENT_STARTED)


def suspended(stored: BugCommandStatus | None = None, **fields: Any) -> Observed:
    spec = fields.pop("spec", {"suspend": True})
    return observed(held_command(stored or working(RUNS), **spec), volume=volume(), **fields)


def ready(plan: Plan) -> str:
    assert plan.status is not None
    return next(c.reason for c in plan.status.conditions if c.type == ConditionType.READY)


def test_the_agent_is_asked_to_end_once_the_reason_is_written() -> None:
    works = working_pod()
    plan = decide(suspended(agent_pod=works), NOW)
    assert (plan.actions, plan.status_first, ready(plan)) == (
        (DeletePod(works.name, works.uid),), True, Reason.SUSPENDING
    )  # fmt: skip
    assert decide(suspended(agent_pod=replace(works, is_being_deleted=True)), NOW).actions == ()


PARKS = {
    "once its pod has ended": suspended(agent_pod=ended_pod(143, says={"reason": "Terminated", "unshipped": 0})),
    "once its pod is gone": suspended(),
    "before a pod was made": suspended(claimed()),
    "also when the model has failed meanwhile": suspended(
        agent_pod=ended_pod(69, says={"reason": "ModelOverloaded"}), spec={"suspend": True, "retry": {"limit": 3}}
    ),
    "also when it is resumed after the agent was asked to end": suspended(
        working(RUNS, condition(ConditionType.READY, "False", Reason.SUSPENDING)),
        agent_pod=ended_pod(143, says={"reason": "Terminated"}),
        spec={},
    ),
}


@pytest.mark.parametrize("name", PARKS)
def test_it_is_parked(name: str) -> None:
    plan = decide(PARKS[name], NOW)
    assert plan.status is not None
    assert (plan.status.phase, plan.status.claim, plan.status.attempt) == (Phase.PARKED, None, 1)
    assert (plan.status.retries, plan.status.next_attempt_time) == (None, None)
    assert [each.reason for each in plan.status.attempts] == ["Suspended"]


STAYS = {
    "what has completed is published": suspended(agent_pod=ended_pod(0)),
    "what is being published is": suspended(working(condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING))),
    "a plain checkout works on": suspended(agent_pod=working_pod(), spec={"suspend": True, "withWorktree": False}),
    "a claim of a plain checkout that waits for earlier ones": suspended(
        claimed(), spec={"suspend": True, "withWorktree": False}
    ),
    "a cancellation wins": suspended(agent_pod=working_pod(), spec={"suspend": True, "cancel": True}),
}


@pytest.mark.parametrize("name", STAYS)
def test_it_is_not_parked(name: str) -> None:
    plan = decide(STAYS[name], NOW)
    assert plan.status is not None
    assert plan.status.claim is not None
    assert ready(plan) not in {Reason.SUSPENDED, Reason.SUSPENDING}


def parked() -> Observed:
    seen = suspended()
    stored = decide(seen, NOW).status
    assert stored is not None
    return replace(seen, command=replace(seen.command, status=stored))


def test_as_long_as_it_is_suspended_nothing_is_written_any_more() -> None:
    plan = decide(parked(), NOW)
    assert (plan.status, plan.actions) == (None, ())


def test_resumed_it_is_the_next_attempt_when_its_turn_comes() -> None:
    seen = parked()
    resumed = replace(seen.command, spec=seen.command.spec.model_copy(update={"suspend": False}))
    full = decide(replace(seen, command=resumed, load=Load(executor=LIMITS.executor)), NOW)
    assert full.status is not None
    assert (full.status.claim, full.status.phase) == (None, Phase.PENDING)
    plan = decide(replace(seen, command=resumed), NOW)
    assert plan.status is not None
    assert (plan.status.attempt, plan.status.phase) == (2, Phase.CLAIMED)


def test_a_gated_pod_that_a_late_call_has_made_goes() -> None:
    late = pod(phase="Pending", gates=("mentu.dev/volumes",), is_scheduled=False)
    plan = decide(replace(parked(), agent_pod=late), NOW)
    assert plan.actions == (DeletePod(late.name, late.uid),)


def test_a_command_that_waits_is_only_not_started() -> None:
    written = decide(observed(held_command(BugCommandStatus(), suspend=True)), NOW).status
    assert written is not None
    assert (written.phase, written.attempts) == (Phase.PENDING, [])
