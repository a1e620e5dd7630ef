"""A finished command: no pod of it goes on, and a volume whose work is safe goes with its command."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import (
    NOW,
    OTHER_UID,
    condition,
    ended,
    ended_pod,
    held_command,
    observed,
    pod,
    publish_pod,
    running,
    volume,
    waiting,
    working,
    working_pod,
)

from bugcommand_operator.api.conditions import Condition, ConditionType, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Action, DeletePod, OwnVolume

FAILED = condition(ConditionType.SUCCEEDED, "False", Reason.AGENT_FAILED)
PUBLISHED = condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED)
VOLUME = volume()
OWNED = OwnVolume(VOLUME.name)


def rests(*conditions: Condition, **fields: Any) -> Observed:
    return observed(held_command(working(FAILED, *conditions, agent_start_time=NOW)), **{"volume": VOLUME, **fields})


CASES: dict[str, tuple[Observed, tuple[Action, ...]]] = {
    "nothing of it is left to do": (rests(agent_pod=ended_pod(1)), ()),
    "an agent that goes on is ended": (
        rests(agent_pod=working_pod()),
        (DeletePod(working_pod().name, working_pod().uid),),
    ),
    "a push that goes on is ended": (
        rests(publish_pod=publish_pod(running("publish"))),
        (DeletePod(publish_pod().name, publish_pod().uid),),
    ),
    "a pod on its way out is not deleted again": (rests(agent_pod=working_pod(is_being_deleted=True)), ()),
    "somebody else's pod is left alone": (rests(agent_pod=working_pod(command_uid=OTHER_UID)), ()),
    "pushed work gives its volume to the command": (rests(PUBLISHED, agent_pod=ended_pod(0)), (OWNED,)),
    "a volume is not given twice": (rests(PUBLISHED, volume=volume(is_owned=True)), ()),
    "a volume on its way out is left alone": (rests(PUBLISHED, volume=volume(is_being_deleted=True)), ()),
    "somebody else's volume is left alone": (rests(PUBLISHED, volume=volume(command_uid=OTHER_UID)), ()),
    "work that is nowhere else keeps its volume to itself": (rests(agent_pod=ended_pod(1)), ()),
    "an agent that never started gives its volume to the command": (
        observed(
            held_command(working(FAILED)),
            volume=VOLUME,
            agent_pod=pod(ended("workspace", 20), waiting("agent"), phase="Failed"),
        ),
        (OWNED,),
    ),
    "a pod that is still there may yet have started its agent": (
        observed(
            held_command(working(FAILED)),
            volume=VOLUME,
            agent_pod=pod(running("workspace"), waiting("agent"), phase="Pending", is_being_deleted=True),
        ),
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_once_it_has_ended(name: str) -> None:
    seen, actions = CASES[name]
    plan = decide(seen, NOW)

    assert plan.actions == actions
    assert (plan.status, plan.events) == (None, ())
