"""A command that is being deleted: its work is pushed or kept, then it is let go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    LIMITS,
    NOW,
    OTHER_UID,
    claimed,
    command,
    condition,
    ended,
    ended_pod,
    exported,
    held_command,
    observed,
    pod,
    publish_pod,
    rescue_pod,
    running,
    volume,
    waiting,
    working,
    working_pod,
)

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import (
    NOTHING,
    Action,
    CreatePod,
    DeletePod,
    DeleteVolume,
    KeepVolume,
    ReleaseFinalizer,
)

LATE = NOW + LIMITS.rescue + timedelta(seconds=1)
STARTED = working(agent_start_time=NOW)
VOLUME = volume()
DELETED = DeleteVolume(VOLUME.name)
KEPT = KeepVolume(VOLUME.name)
RELEASED = ReleaseFinalizer()


def going(stored: BugCommandStatus = STARTED, **fields: Any) -> Observed:
    spec = fields.pop("spec", {})
    return observed(held_command(stored, deleted_at=NOW, generation=2, **spec), **{"volume": VOLUME, **fields})


def delete(pod: Pod) -> DeletePod:
    return DeletePod(pod.name, pod.uid)


def pushed(*, has_changes: bool | None = True) -> Pod:
    return rescue_pod(ended("export", says=exported(has_changes=has_changes)), ended("publish"), phase="Succeeded")


def failed_rescue(code: int, **says: Any) -> Pod:
    return rescue_pod(ended("export", says=exported()), ended("publish", code, says=says), phase="Failed")


PUBLISHED = condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED)
PUBLISHED_IN_PART = condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED_IN_PART)
NO_CHANGES = condition(ConditionType.PUBLISHED, "False", Reason.NO_CHANGES)
NOTHING_BUT_ELSEWHERE = condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHED_IN_PART)
NEVER = condition(ConditionType.AGENT_RUNNING, "False", Reason.AGENT_NOT_STARTED)


@dataclass(frozen=True)
class Case:
    seen: Observed
    actions: tuple[Action, ...]
    event: str = ""
    is_late: bool = False


CASES = {
    "an agent that works is ended first": Case(going(agent_pod=working_pod()), (delete(working_pod()),)),
    "a pod that publishes is ended first": Case(
        going(publish_pod=publish_pod(running("export"))), (delete(publish_pod()),)
    ),
    "a pod that is on its way out is waited for": Case(going(agent_pod=working_pod(is_being_deleted=True)), ()),
    "work that was pushed lets the volume go": Case(
        going(working(PUBLISHED, agent_start_time=NOW)), (DELETED, RELEASED)
    ),
    "a command that changed nothing lets the volume go": Case(
        going(working(NO_CHANGES, agent_start_time=NOW)), (DELETED, RELEASED)
    ),
    "an agent that never started lets the volume go": Case(going(working(NEVER)), (DELETED, RELEASED)),
    "a preparation that failed lets the volume go": Case(
        going(working(), agent_pod=pod(ended("workspace", 20), waiting("agent"), phase="Failed")), (DELETED, RELEASED)
    ),
    "a claim without a pod lets the volume go": Case(going(claimed()), (DELETED, RELEASED)),
    "a command without a volume is let go": Case(going(volume=None), (RELEASED,)),
    "a command in the Repository's checkout is let go": Case(
        going(spec={"withWorktree": False}, volume=volume(name="shop-checkout", command_uid=None)), (RELEASED,)
    ),
    "a volume of somebody else is left alone": Case(going(volume=volume(command_uid=OTHER_UID)), (RELEASED,)),
    "files that were left uncommitted are rescued though the branch was pushed": Case(
        going(working(PUBLISHED_IN_PART, agent_start_time=NOW)), (CreatePod("rescue"),)
    ),
    "a stash of a command that published nothing is not taken for nothing": Case(
        going(working(NOTHING_BUT_ELSEWHERE, agent_start_time=NOW)), (CreatePod("rescue"),)
    ),
    "a volume on its way out is not deleted again": Case(
        going(working(PUBLISHED), volume=volume(is_being_deleted=True)), (RELEASED,)
    ),
    "work that is nowhere else is rescued": Case(going(), (CreatePod("rescue"),)),
    "work of a pod that was lost is rescued": Case(going(working()), (CreatePod("rescue"),)),
    "work of a pod that shows no containers is rescued": Case(
        going(working(), agent_pod=pod(phase="Failed", reason="Evicted")), (CreatePod("rescue"),)
    ),
    "work of an agent that failed is rescued": Case(going(agent_pod=ended_pod(1)), (CreatePod("rescue"),)),
    "a rescue that goes on is waited for": Case(going(rescue_pod=rescue_pod(running("export"))), ()),
    "a rescue that succeeded lets volume and pod go": Case(
        going(rescue_pod=pushed()), (DELETED, delete(pushed()), RELEASED), "WorkRescued"
    ),
    "a rescue that found nothing lets volume and pod go": Case(
        going(rescue_pod=pushed(has_changes=False)), (DELETED, delete(pushed()), RELEASED), "NothingToRescue"
    ),
    "a rescue that does not say what it pushed keeps the volume": Case(
        going(rescue_pod=pushed(has_changes=None)), (KEPT, delete(pushed()), RELEASED), "WorkKept"
    ),
    "a rescue that was refused keeps the volume": Case(
        going(rescue_pod=failed_rescue(20, message="protected")),
        (KEPT, delete(failed_rescue(20)), RELEASED),
        "WorkKept",
    ),
    "a rescue that may pass is tried again": Case(going(rescue_pod=failed_rescue(21)), (delete(failed_rescue(21)),)),
    "a rescue pod that is going is waited for before it is made again": Case(
        going(rescue_pod=replace(failed_rescue(21), is_being_deleted=True)), ()
    ),
    "somebody else's pod in the rescue pod's place keeps the volume": Case(
        going(rescue_pod=rescue_pod(command_uid=None)), (KEPT, RELEASED), "WorkKept"
    ),
    "a Repository that is gone keeps the volume": Case(going(repository=None), (KEPT, RELEASED), "WorkKept"),
    "a namespace on its way out keeps the volume": Case(
        going(namespace_is_terminating=True), (KEPT, RELEASED), "WorkKept"
    ),
    "a rescue that takes too long keeps the volume": Case(
        going(rescue_pod=rescue_pod(running("publish"))), (KEPT, delete(rescue_pod()), RELEASED), "WorkKept", True
    ),
    "a volume that was given to its command, when it was known that nothing would be lost, goes with it": Case(
        going(working(), volume=volume(is_owned=True), repository=None), (DELETED, RELEASED)
    ),
    "a lost node does not hold the finalizer past its deadline": Case(
        going(agent_pod=working_pod(is_being_deleted=True)), (KEPT, RELEASED), "WorkKept", True
    ),
    "a pod that was never asked to end is asked even after the deadline": Case(
        going(agent_pod=working_pod()), (delete(working_pod()),), "", True
    ),
    "somebody else's running pod is not touched": Case(
        going(working(NEVER), agent_pod=working_pod(command_uid=OTHER_UID)), (DELETED, RELEASED)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_on_the_way_out(name: str) -> None:
    case = CASES[name]
    plan = decide(case.seen, LATE if case.is_late else NOW)

    assert plan.actions == case.actions
    assert [e.reason for e in plan.events] == ([case.event] if case.event else [])
    assert (plan.look_again_after is None) == (RELEASED in case.actions)


def test_without_our_finalizer_there_is_nothing_to_do() -> None:
    assert decide(observed(command(STARTED, deleted_at=NOW), volume=VOLUME), NOW) == NOTHING


def test_a_finalizer_that_another_executor_left_is_seen_to_after_its_deadline() -> None:
    theirs = claimed(executor="bridge-gone", pod_name="fix-login-1-agent", agent_start_time=NOW)

    assert decide(going(theirs), NOW) == NOTHING
    assert decide(going(theirs), LATE).actions == (KEPT, RELEASED)


def test_a_pod_that_no_node_has_yet_is_deleted_as_exactly_that_and_leaves_no_work_to_rescue() -> None:
    unscheduled = pod(phase="Pending", is_scheduled=False, version="41")

    plan = decide(going(working(), agent_pod=unscheduled), NOW)

    assert plan.actions == (DeletePod(unscheduled.name, unscheduled.uid, only_version="41"),)
    assert plan.status is not None
    after = going(plan.status, agent_pod=None)
    assert decide(after, NOW).actions == (DELETED, RELEASED)


@pytest.mark.parametrize(("has_changes", "told"), [(True, "WorkRescued"), (False, "NothingToRescue")])
def test_a_rescue_that_leaves_a_stash_behind_keeps_the_volume(has_changes: bool, told: str) -> None:
    says = exported(has_changes=has_changes, otherWork=True)
    done = rescue_pod(ended("export", says=says), ended("publish"), phase="Succeeded")
    plan = decide(going(rescue_pod=done), NOW)

    assert plan.actions == (KEPT, delete(done), RELEASED)
    assert [event.reason for event in plan.events] == [told, "WorkKept"]


def test_a_rescue_says_where_the_work_is() -> None:
    message = decide(going(rescue_pod=pushed()), NOW).events[0].message

    assert "refs/mentu/rescue/cmt_0b5c7c0e58c1/1" in message


def test_a_kept_volume_is_named_with_the_reason() -> None:
    message = decide(going(rescue_pod=failed_rescue(20, message="protected branch")), NOW).events[0].message

    assert VOLUME.name in message
    assert "protected branch" in message
