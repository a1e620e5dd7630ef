"""From a claim to a pod, and what it means that the pod is not there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    LIMITS,
    NAME,
    NOW,
    OTHER_UID,
    REPOSITORY,
    claimed,
    command,
    condition,
    held_command,
    observed,
    pod,
    volume,
    waiting,
    working,
)

from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import OpenGate, Plan, Prepare
from bugcommand_operator.core.policies.start import TURN_COMES_WITHIN

LATE = NOW + LIMITS.start + timedelta(seconds=1)


def reason_of(plan: Plan, type_: ConditionType = ConditionType.READY) -> str | None:
    assert plan.status is not None
    return next((c.reason for c in plan.status.conditions if c.type == type_), None)


def test_a_claimed_command_gets_its_pod_beside_all_that_the_pod_needs() -> None:
    plan = decide(observed(command(claimed())), NOW)

    assert plan.actions == (Prepare(agent_pod=True),)
    assert plan.status is not None
    assert (plan.status.pod_name, plan.status.phase) == (f"{NAME}-1-agent", Phase.PREPARING)
    assert not plan.status_first  # a status that names the pod says that it was made


def test_a_claimed_command_waits_while_as_many_others_start_as_may_at_once() -> None:
    waits = replace(observed(command(claimed())), others_start_first=True)

    assert decide(waits, NOW) == Plan(look_again_after=TURN_COMES_WITHIN)
    assert decide(replace(waits, command=command(claimed(), cancel=True)), NOW).status is not None


def test_a_pod_that_was_made_and_is_gone_ends_the_command() -> None:
    plan = decide(observed(held_command(working())), NOW)

    assert plan.status is not None
    assert (plan.status.phase, reason_of(plan), plan.actions) == (Phase.FAILED, Reason.POD_LOST, ())


def test_a_pod_that_went_after_its_time_was_up_ends_the_command_as_timed_out() -> None:
    gone = held_command(working(condition(ConditionType.AGENT_RUNNING, "False", Reason.TIMED_OUT)))

    assert reason_of(decide(observed(gone), NOW)) == Reason.TIMED_OUT


@pytest.mark.parametrize("stored", [claimed(), working()])
def test_a_cancellation_without_a_pod_ends_the_command(stored: Any) -> None:
    plan = decide(observed(held_command(stored, cancel=True)), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.actions) == (Phase.CANCELLED, ())


MISSING: dict[str, tuple[dict[str, Any], Reason]] = {
    "the Repository was deleted": ({"repository": None}, Reason.REPOSITORY_NOT_FOUND),
    "the Agent was deleted": ({"agent": None}, Reason.AGENT_NOT_FOUND),
    "the API server refuses": ({"refused": "over quota"}, Reason.POD_REJECTED),
    "a pod of an earlier command has the name": ({"agent_pod": pod(command_uid=OTHER_UID)}, Reason.NAME_TAKEN),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_in_the_way_is_told_and_waited_for(name: str) -> None:
    fields, reason = MISSING[name]
    plan = decide(observed(held_command(claimed()), **fields), NOW)

    assert reason_of(plan) == reason
    assert reason_of(plan, ConditionType.SUCCEEDED) is None
    assert (plan.actions, plan.status and plan.status.pod_name) == ((), None)
    assert plan.look_again_after is not None


@pytest.mark.parametrize("name", MISSING)
def test_what_stays_in_the_way_ends_the_command_at_the_start_deadline(name: str) -> None:
    fields, reason = MISSING[name]
    told = decide(observed(held_command(claimed()), **fields), NOW).status
    assert told is not None
    plan = decide(observed(held_command(told), **fields), LATE)

    assert plan.status is not None
    assert (plan.status.phase, reason_of(plan, ConditionType.SUCCEEDED)) == (Phase.FAILED, reason)


def test_a_pod_that_took_the_place_of_ours_ends_the_command_at_once() -> None:
    plan = decide(observed(held_command(working()), agent_pod=pod(command_uid=None)), NOW)

    assert reason_of(plan, ConditionType.SUCCEEDED) == Reason.NAME_TAKEN


def test_a_cancellation_while_the_name_is_taken_ends_the_command() -> None:
    taken = observed(held_command(claimed(), cancel=True), agent_pod=pod(command_uid=OTHER_UID))

    assert reason_of(decide(taken, NOW), ConditionType.SUCCEEDED) == Reason.CANCELLED


GATED = pod(phase="Pending", gates=("mentu.dev/volumes",))


def gated(**fields: Any) -> Observed:
    there = {"agent_pod": GATED, "volume": volume(), "mirror": volume(), "volumes_bind_at_once": True}
    return observed(held_command(working(at=NOW), cancel=fields.pop("cancel", False)), **{**there, **fields})


@pytest.mark.parametrize(
    "seen",
    {
        "the finalizer does not hold": replace(gated(), command=command(working(at=NOW))),
        "no status names the pod": replace(gated(), command=held_command(claimed(at=NOW))),
        "the command has no volume": gated(volume=None),
        "the volume is another command's": gated(volume=volume(command_uid=OTHER_UID)),
        "the Repository has no mirror": gated(mirror=None),
    }.items(),
    ids=lambda case: case[0],
)
def test_the_gate_stays_shut_and_the_rest_is_made_when(seen: tuple[str, Observed]) -> None:
    plan = decide(seen[1], NOW + timedelta(seconds=60))

    assert plan.actions == (Prepare(),)
    assert plan.status is None or plan.status.pod_name == GATED.name


def test_the_gate_does_not_wait_for_volumes_that_are_bound_only_with_their_pod() -> None:
    assert decide(gated(volume=volume(is_bound=False), volumes_bind_at_once=False), NOW).actions == (
        OpenGate(GATED.name),
    )


def test_what_the_api_server_refuses_behind_the_gate_is_said_and_ends_the_command_at_the_deadline() -> None:
    refused = gated(volume=None, refused="exceeded quota")

    assert reason_of(decide(refused, NOW)) == Reason.POD_REJECTED
    assert reason_of(decide(refused, LATE), ConditionType.SUCCEEDED) == Reason.POD_REJECTED


def test_the_gate_stays_shut_while_a_volume_is_being_bound() -> None:
    plan = decide(gated(volume=volume(), mirror=volume(is_bound=False)), NOW)

    assert plan.actions == ()
    assert plan.look_again_after is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"volume": volume(), "mirror": volume()},
        {
            "volume": volume(),
            "repository": REPOSITORY.model_copy(
                update={"mirror": REPOSITORY.mirror.model_copy(update={"enabled": False})}
            ),
        },
    ],
)
def test_the_gate_opens_when_the_volumes_are_bound(fields: dict[str, Any]) -> None:
    assert decide(gated(**fields), NOW).actions == (OpenGate(GATED.name),)


def test_the_gate_opens_when_binding_takes_too_long() -> None:
    unbound = gated(volume=volume(is_bound=False))

    assert decide(unbound, NOW + timedelta(seconds=59)).actions == ()
    assert decide(unbound, NOW + timedelta(seconds=61)).actions == (OpenGate(GATED.name),)


def test_a_gate_that_cannot_be_opened_ends_at_the_start_deadline() -> None:
    assert reason_of(decide(gated(), LATE), ConditionType.SUCCEEDED) == Reason.START_DEADLINE_EXCEEDED


def test_a_cancelled_pod_behind_the_gate_is_deleted() -> None:
    assert [type(a).__name__ for a in decide(gated(cancel=True), NOW).actions] == ["DeletePod"]


def test_a_repository_that_is_deleted_before_the_pod_has_its_volumes_is_waited_for() -> None:
    plan = decide(gated(repository=None, volume=None, mirror=None), NOW)

    assert plan.actions == ()
    assert reason_of(plan) == Reason.REPOSITORY_NOT_FOUND


def test_who_comes_back_after_the_start_deadline_gives_the_agent_its_time_to_start() -> None:
    """Claimed, and then nobody could reach the API server for a while."""
    long_ago = NOW - LIMITS.start - timedelta(minutes=1)
    made = decide(observed(held_command(claimed(at=long_ago))), NOW)
    assert made.actions == (Prepare(agent_pod=True),)
    assert made.status is not None
    seen = observed(held_command(made.status), agent_pod=pod(waiting("workspace"), phase="Pending"))
    assert decide(seen, NOW + timedelta(seconds=30)).status is None
    ended = decide(seen, LATE).status
    assert ended is not None
    assert ended.phase == "Failed"


def test_the_start_deadline_counts_no_time_in_which_nobody_could_get_on() -> None:
    """A pod that was made just before the API server went away, and one whose executor has just started."""
    seen = observed(held_command(working()), agent_pod=pod(waiting("workspace"), phase="Pending"))
    back = replace(seen, reachable_since=LATE - timedelta(seconds=1))

    assert reason_of(decide(seen, LATE), ConditionType.SUCCEEDED) == Reason.START_DEADLINE_EXCEEDED
    still_waited_for = decide(back, LATE).status
    assert still_waited_for is None or still_waited_for.completion_time is None
    assert reason_of(decide(back, LATE + LIMITS.start), ConditionType.SUCCEEDED) == Reason.START_DEADLINE_EXCEEDED


LONG_AGO = claimed(at=NOW - LIMITS.start - timedelta(minutes=1))


def test_the_start_deadline_does_not_run_while_others_start_first() -> None:
    """Neither a pod that was just made, nor the first refusal, nor a definition that is gone for a moment ends it."""
    just_made = observed(command(LONG_AGO), agent_pod=replace(GATED, created_at=NOW), volume=volume())
    refused = replace(observed(command(LONG_AGO)), refused="over quota")
    undefined = replace(observed(command(LONG_AGO)), agent=None)

    for seen in (just_made, refused, undefined):
        status = decide(seen, NOW).status
        assert status is None or status.phase not in {Phase.FAILED, Phase.REFUSED}


def test_a_refusal_that_lasts_ends_it_at_the_deadline() -> None:
    refused = replace(observed(command(LONG_AGO)), refused="over quota")
    told = decide(refused, NOW).status
    assert told is not None
    later = replace(refused, command=replace(refused.command, status=told))

    assert (
        reason_of(decide(later, NOW + LIMITS.start + timedelta(seconds=1)), ConditionType.SUCCEEDED)
        == Reason.POD_REJECTED
    )
