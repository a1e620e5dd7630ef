"""Whether all lines of a log are stored, and what becomes of those that are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    NOW,
    OTHER_UID,
    PREPARED,
    condition,
    ended,
    ended_pod,
    exported,
    held_command,
    observed,
    pod,
    pushing_pod_that_succeeded,
    rescue_pod,
    running,
    ship_pod,
    volume,
    waiting,
    working,
    working_pod,
)

from bugcommand_operator.api.conditions import Condition, ConditionType, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import CreatePod, DeletePod, DeleteVolume, KeepVolume, OwnVolume, Plan

LEFT = condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_UNSHIPPED, "3 lines of the log are …")
STORED = condition(ConditionType.LOGS_STORED, "True", Reason.LOGS_STORED)
FAILED = condition(ConditionType.SUCCEEDED, "False", Reason.AGENT_FAILED)
PUBLISHED = condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED)
WORKED = {"agent_start_time": NOW, "completion_time": NOW}


def logs(plan: Plan) -> Condition | None:
    assert plan.status is not None
    return next((c for c in plan.status.conditions if c.type == ConditionType.LOGS_STORED), None)


def rests(*conditions: Condition, **fields: Any) -> Observed:
    return observed(held_command(working(FAILED, *conditions, **WORKED)), **{"volume": volume(), **fields})


def shipped(**says: Any) -> Pod:
    return ship_pod(ended("ship", says=says), phase="Succeeded")


@pytest.mark.parametrize(
    ("says", "status", "reason", "words"),
    [
        ({"unshipped": 0}, "True", Reason.LOGS_STORED, ""),
        ({"unshipped": 1}, "False", Reason.LOGS_UNSHIPPED, "1 line of the log"),
        ({"unshipped": 41, "refused": 2}, "False", Reason.LOGS_UNSHIPPED, "41 lines of the log"),
        ({"unshipped": 0, "unshippedParts": 1}, "False", Reason.LOGS_UNSHIPPED, "1 part of the recording"),
        ({"unshipped": 0, "unshippedParts": 3}, "False", Reason.LOGS_UNSHIPPED, "3 parts of the recording"),
        ({"unshipped": 0, "refused": 2}, "False", Reason.LOGS_REFUSED, "2 lines were never taken"),
        ({}, "False", Reason.LOGS_UNSHIPPED, "without a word"),
        ("no JSON", "False", Reason.LOGS_UNSHIPPED, "without a word"),
        ({"unshipped": -4}, "False", Reason.LOGS_UNSHIPPED, "without a word"),
        ({"unshipped": "lots"}, "False", Reason.LOGS_UNSHIPPED, "without a word"),
    ],
)
def test_what_an_agent_that_ended_says_of_its_lines_is_told(says: Any, status: str, reason: Reason, words: str) -> None:
    found = logs(decide(observed(held_command(working()), agent_pod=ended_pod(1, says=says)), NOW))

    assert found is not None
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


@pytest.mark.parametrize(
    "lost",
    [
        {"agent_pod": None},
        {"agent_pod": pod(PREPARED, ended("agent", 137, reason="OOMKilled"), phase="Failed")},
        {"agent_pod": pod(phase="Failed", reason="Evicted")},
    ],
)
def test_an_agent_that_was_killed_may_have_left_lines(lost: dict[str, Any]) -> None:
    found = logs(decide(observed(held_command(working(agent_start_time=NOW)), **lost), NOW))

    assert found is not None
    assert (found.status, found.reason) == ("False", Reason.LOGS_UNSHIPPED)


def test_an_agent_that_never_started_has_left_none() -> None:
    refused = pod(ended("workspace", 20, says={"reason": "PermissionDenied"}), waiting("agent"), phase="Pending")

    assert logs(decide(observed(held_command(working()), agent_pod=refused), NOW)) is None


SHIP = CreatePod("ship")
CASES: dict[str, tuple[Observed, tuple[Any, ...]]] = {
    "lines that are left are shipped by a pod": (rests(LEFT, agent_pod=ended_pod(1)), (SHIP,)),
    "also when the agent's pod is gone": (rests(LEFT), (SHIP,)),
    "also when the work is published, and its volume waits for that": (
        rests(LEFT, PUBLISHED, agent_pod=ended_pod(0)),
        (SHIP,),
    ),
    "also from a checkout that others use": (
        observed(
            held_command(working(FAILED, LEFT, **WORKED), withWorktree=False),
            volume=volume(name="shop-checkout", command_uid=None),
        ),
        (SHIP,),
    ),
    "also when the Repository is gone": (rests(LEFT, repository=None), (SHIP,)),
    "lines that are stored are not": (rests(STORED, PUBLISHED, agent_pod=ended_pod(0)), (OwnVolume(volume().name),)),
    "not while the agent's pod goes on": (
        rests(LEFT, agent_pod=working_pod()),
        (DeletePod(working_pod().name, working_pod().uid),),
    ),
    "not without the volume": (rests(LEFT, volume=None), ()),
    "not from somebody else's volume": (rests(LEFT, volume=volume(command_uid=OTHER_UID)), ()),
    "not from a volume that is going": (rests(LEFT, volume=volume(is_being_deleted=True)), ()),
    "not when the API server refuses": (rests(LEFT, refused="over quota"), ()),
    "not twice": (rests(LEFT, ship_pod=ship_pod(running("ship"))), ()),
    "somebody else's pod in its place is left alone": (rests(LEFT, ship_pod=ship_pod(command_uid=OTHER_UID)), ()),
    "what was tried is not tried again at once": (rests(LEFT, ship_pod=shipped(unshipped=3)), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_lines_that_are_left_are_shipped_once_the_command_has_finished(name: str) -> None:
    seen, actions = CASES[name]

    assert decide(seen, NOW).actions == actions


def test_parts_of_a_recording_that_are_left_are_tried_again_as_lines_are() -> None:
    pod_ = shipped(unshipped=0, unshippedParts=2)
    found = logs(decide(rests(LEFT, ship_pod=pod_), NOW))

    assert found is not None
    assert (found.reason, "2 parts of the recording" in found.message) == (Reason.LOGS_UNSHIPPED, True)
    assert decide(rests(LEFT, ship_pod=pod_), NOW + timedelta(minutes=11)).actions == (DeletePod(pod_.name, pod_.uid),)


def test_lines_that_were_shipped_let_the_volume_go() -> None:
    seen = rests(LEFT, PUBLISHED, agent_pod=ended_pod(0), ship_pod=shipped(unshipped=0))
    plan = decide(seen, NOW)
    found = logs(plan)

    assert found is not None
    assert (found.status, found.reason) == ("True", Reason.LOGS_STORED)
    assert plan.status is not None
    after = replace(seen, command=replace(seen.command, status=plan.status))
    assert decide(after, NOW).actions == (OwnVolume(volume().name),)


def test_lines_that_nobody_takes_are_counted_told_once_and_tried_again_later() -> None:
    pod_ = shipped(unshipped=7)
    seen = rests(LEFT, ship_pod=pod_)
    first = decide(seen, NOW)
    found = logs(first)

    assert found is not None
    assert found.message.startswith("7 lines")
    assert [(e.reason, e.type) for e in first.events] == [(Reason.LOGS_UNSHIPPED, "Warning")]
    assert first.status is not None
    told = replace(seen, command=replace(seen.command, status=first.status))
    again = decide(told, NOW)
    assert (again.actions, again.status, again.events) == ((), None, ())
    assert again.look_again_after is not None
    later = NOW + again.look_again_after
    assert decide(told, later).actions == (DeletePod(pod_.name, pod_.uid),)
    assert decide(replace(told, ship_pod=None), later).actions == (SHIP,)
    assert decide(replace(told, ship_pod=None), NOW + timedelta(days=2)).actions == ()


def test_a_pod_that_finds_no_node_is_made_anew() -> None:
    stuck = ship_pod(phase="Pending")

    assert decide(rests(LEFT, ship_pod=stuck), NOW + timedelta(hours=1)).actions == (DeletePod(stuck.name, stuck.uid),)


def deleted(*conditions: Condition, **fields: Any) -> Observed:
    of = held_command(working(FAILED, *conditions, **WORKED), deleted_at=NOW)
    return observed(of, **{"volume": volume(), **fields})


def rescued(unshipped: int | None) -> Pod:
    says = {} if unshipped is None else {"unshipped": unshipped}
    done = pushing_pod_that_succeeded()
    return rescue_pod(
        ended("ship", says=says), ended("export", says=exported()), done.container("publish"), phase="Succeeded"
    )


def test_a_deleted_command_whose_lines_are_left_is_rescued_though_its_work_is_published() -> None:
    assert decide(deleted(LEFT, PUBLISHED), NOW).actions == (CreatePod("rescue"),)
    assert DeleteVolume(volume().name) in decide(deleted(STORED, PUBLISHED), NOW).actions


@pytest.mark.parametrize(("left", "words"), [(5, "5 lines"), (None, "an unknown part")])
def test_a_volume_with_lines_that_nobody_took_is_kept(left: int | None, words: str) -> None:
    plan = decide(deleted(LEFT, rescue_pod=rescued(left)), NOW)

    assert KeepVolume(volume().name) in plan.actions
    assert [e.reason for e in plan.events] == ["WorkKept"]
    assert words in plan.events[0].message


def test_a_volume_whose_lines_were_shipped_at_the_last_moment_goes() -> None:
    assert DeleteVolume(volume().name) in decide(deleted(LEFT, rescue_pod=rescued(0)), NOW).actions


WORKS = (
    condition(ConditionType.AGENT_RUNNING, "True", Reason.AGENT_STARTED),
    condition(ConditionType.WORKSPACE_READY, "True", Reason.WORKSPACE_READY, "The worktree is there."),
)
MISSED = condition(ConditionType.LOGS_STORED, "False", Reason.LOG_STORE_UNAVAILABLE, "since …")
LONG_AGO = NOW - timedelta(seconds=61)


def works(*conditions: Condition, **fields: Any) -> Observed:
    return observed(held_command(working(*WORKS, *conditions)), agent_pod=working_pod(), **fields)


@pytest.mark.parametrize(
    ("seen", "status", "reason"),
    [
        (works(log_store_away_since=LONG_AGO), "False", Reason.LOG_STORE_UNAVAILABLE),
        (works(STORED, log_store_away_since=LONG_AGO), "False", Reason.LOG_STORE_UNAVAILABLE),
        (works(log_store_away_since=NOW - timedelta(seconds=60)), None, None),
        (works(log_store_answers=True), None, None),
        (works(MISSED, log_store_answers=True), "True", Reason.LOG_STORE_AVAILABLE),
        (works(MISSED), "False", Reason.LOG_STORE_UNAVAILABLE),
        (works(MISSED, log_store_away_since=NOW), "False", Reason.LOG_STORE_UNAVAILABLE),
        (works(MISSED, log_store_away_since=LONG_AGO), "False", Reason.LOG_STORE_UNAVAILABLE),
    ],
)
def test_a_running_command_tells_that_the_log_store_is_away_and_back_and_each_once(
    seen: Observed, status: str | None, reason: Reason | None
) -> None:
    plan = decide(seen, NOW)
    found = logs(plan)
    assert (found and found.status, found and found.reason) == (status, reason)
    before = seen.command.condition_reason(ConditionType.LOGS_STORED)
    changed = reason is not None and reason != before
    assert [event.reason for event in plan.events] == ([reason] if changed else [])

    assert plan.status is not None
    again = replace(seen, command=replace(seen.command, status=plan.status))
    assert (decide(again, NOW).status, decide(again, NOW).events) == (None, ())


def test_what_the_runner_says_at_its_end_goes_before_what_was_seen_of_the_store() -> None:
    seen = observed(held_command(working(*WORKS, MISSED)), agent_pod=ended_pod(1, says={"unshipped": 0}))
    found = logs(decide(replace(seen, log_store_away_since=LONG_AGO), NOW))
    assert found is not None
    assert (found.status, found.reason) == ("True", Reason.LOGS_STORED)
