"""What holds of every plan, whatever the world looks like."""

from __future__ import annotations

import json
from datetime import datetime

from hypothesis import given
from tests.unit.core.strategies import moments, worlds

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import Condition, ConditionType, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import (
    CreatePod,
    DeleteCommand,
    DeletePod,
    DeleteVolume,
    OpenGate,
    OwnVolume,
    Plan,
    Prepare,
    ReleaseFinalizer,
)
from bugcommand_operator.core.policies.deletion import rescue_is_late
from bugcommand_operator.core.termination import ShipResult, result_of


def actions(plan: Plan, kind: type) -> list[object]:
    return [action for action in plan.actions if isinstance(action, kind)]


def pods(seen: Observed) -> dict[str, Pod]:
    return {p.uid: p for p in (seen.agent_pod, seen.publish_pod, seen.rescue_pod, seen.ship_pod) if p is not None}


@given(worlds(), moments())
def test_a_plan_is_made_of_any_world_and_its_status_is_small_and_plain(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)

    if plan.status is not None:
        text = json.dumps(plan.status.to_dict(), ensure_ascii=False)
        stored = len(text.encode()) + 5 * sum(text.count(c) for c in "<>&")
        assert stored <= 32 * 1024
        assert not set("".join(c.message for c in plan.status.conditions)) & set("\x1b\u202e\x00")


@given(worlds(), moments())
def test_an_agent_pod_is_made_only_where_none_is_and_none_was(seen: Observed, now: datetime) -> None:
    if Prepare(agent_pod=True) in decide(seen, now).actions:
        assert seen.agent_pod is None
        assert seen.command.status.pod_name is None
        assert seen.command.is_active
        assert not seen.command.is_being_deleted
        assert not seen.command.spec.cancel


@given(worlds(), moments())
def test_only_pods_of_this_command_are_deleted(seen: Observed, now: datetime) -> None:
    for action in actions(decide(seen, now), DeletePod):
        assert isinstance(action, DeletePod)
        assert pods(seen)[action.uid].command_uid == seen.command.uid


@given(worlds(), moments())
def test_the_finalizer_is_not_let_go_while_a_pod_of_ours_writes(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)

    if actions(plan, ReleaseFinalizer):
        writing = [
            p for p in (seen.agent_pod, seen.publish_pod) if p and p.is_active and p.command_uid == seen.command.uid
        ]
        assert not writing or (rescue_is_late(seen, now) and all(p.is_being_deleted for p in writing))
        assert seen.command.is_being_deleted
        assert plan.actions[-1] == ReleaseFinalizer()


@given(worlds(), moments())
def test_a_volume_goes_only_when_its_work_is_elsewhere_or_never_was(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)

    if actions(plan, DeleteVolume) or actions(plan, OwnVolume):
        status, pod = seen.command.status, seen.agent_pod
        rescued = seen.rescue_pod is not None and (
            seen.rescue_pod.phase == "Succeeded" or seen.rescue_pod.container("publish").exit_code == 0
        )
        published = seen.command.condition_status(ConditionType.PUBLISHED) == "True"
        unchanged = seen.command.condition_reason(ConditionType.PUBLISHED) == Reason.NO_CHANGES
        said_so = seen.command.condition_reason(ConditionType.AGENT_RUNNING) == Reason.AGENT_NOT_STARTED
        seen_so = pod is not None and pod.container("agent").started_at is None
        never = status.agent_start_time is None and (said_so or seen_so or status.pod_name is None)
        assert seen.volume is not None
        assert seen.volume.command_uid == seen.command.uid
        shared = not seen.command.spec.with_worktree
        judged_before = seen.volume.is_owned or rescued
        assert published or unchanged or never or shared or (judged_before and actions(plan, DeleteVolume))


@given(worlds(), moments())
def test_a_volume_with_lines_that_are_nowhere_else_goes_to_nobody(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)
    left = seen.command.condition_reason(ConditionType.LOGS_STORED) == Reason.LOGS_UNSHIPPED

    if left and seen.command.spec.with_worktree and seen.volume is not None and not seen.volume.is_owned:
        assert not actions(plan, OwnVolume)
        if actions(plan, DeleteVolume):  # what was left has been shipped by the pod that rescues
            assert seen.rescue_pod is not None
            ship = seen.rescue_pod.containers.get("ship")
            assert ship is None or result_of(ship, ShipResult).unshipped == 0


@given(worlds(), moments())
def test_a_command_is_deleted_only_when_it_has_ended_and_its_time_is_over(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)

    if actions(plan, DeleteCommand):
        ttl, end = seen.command.spec.ttl_seconds_after_finished, seen.command.status.completion_time
        assert seen.command.is_finished
        assert ttl is not None
        assert end is not None
        assert (now - end).total_seconds() >= ttl
        assert seen.command.holds_finalizer or not seen.command.attempt
        assert plan.actions == (DeleteCommand(),)


def ended(status: BugCommandStatus) -> list[Condition]:
    return [c for c in status.conditions if c.type == ConditionType.SUCCEEDED]


@given(worlds(), moments())
def test_a_gate_opens_only_where_all_that_the_pod_relies_on_holds(seen: Observed, now: datetime) -> None:
    if actions(decide(seen, now), OpenGate):
        assert seen.agent_pod is not None
        assert seen.agent_pod.command_uid == seen.command.uid
        assert seen.command.holds_finalizer
        assert seen.command.status.pod_name is not None
        assert seen.volume is not None
        assert not seen.command.spec.cancel
        assert not seen.command.is_being_deleted


@given(worlds(), moments())
def test_what_has_ended_does_not_change_how_it_ended(seen: Observed, now: datetime) -> None:
    plan = decide(seen, now)

    if seen.command.is_finished and not seen.command.is_asked_again:
        assert ended(plan.status or seen.command.status) == ended(seen.command.status)
        assert {CreatePod("ship")}.issuperset(actions(plan, CreatePod)) or seen.command.is_being_deleted
        assert not actions(plan, Prepare)
        assert not actions(plan, OpenGate)


@given(worlds(), moments())
def test_what_another_executor_has_claimed_is_only_let_go_past_its_deadline(seen: Observed, now: datetime) -> None:
    claim = seen.command.status.claim
    plan = decide(seen, now)

    if claim is not None and claim.executor != seen.identity.executor and (plan.actions or plan.status):
        assert rescue_is_late(seen, now)
        assert plan.status is None or plan.status.claim == claim


@given(worlds(), moments())
def test_a_pass_that_does_not_go_on_is_never_the_last_one_of_an_unfinished_command(
    seen: Observed, now: datetime
) -> None:
    """Events may be missed: an active command is always looked at again."""
    plan = decide(seen, now)
    mine = seen.command.status.claim is not None and seen.command.status.claim.executor == seen.identity.executor

    if mine and seen.command.is_active and not seen.command.is_being_deleted:
        wrote = plan.status is not None  # whose own event brings the next pass
        assert plan.go_on or plan.look_again_after is not None or wrote


@given(worlds(), moments())
def test_the_same_world_gives_the_same_plan(seen: Observed, now: datetime) -> None:
    assert decide(seen, now) == decide(seen, now)
