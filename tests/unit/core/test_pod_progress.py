"""What a pod shows of its preparations is no news as long as they go as they should, and nothing is decided by it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.support import builders as b
from tests.support.builders import NOW

from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Container, Pod
from bugcommand_operator.core.plan import Plan


def pod(*containers: Container, **fields: object) -> Pod:
    shown = {container.name: container for container in containers}
    return replace(b.pod(), phase="Pending", containers=shown, **fields)  # type: ignore[arg-type]


AGENT_WAITS = b.waiting("agent")
NOBODY_BEGAN = pod(b.waiting("fetch"), b.waiting("workspace"), AGENT_WAITS)
FETCHES = pod(b.running("fetch"), b.waiting("workspace"), AGENT_WAITS)
WORKSPACE = pod(b.ended("fetch", 0), b.running("workspace"), AGENT_WAITS)
PREPARED = pod(b.ended("fetch", 0), b.ended("workspace", 0), AGENT_WAITS)
CREATED = pod(b.ended("fetch", 0), b.ended("workspace", 0), b.waiting("agent", "ContainerCreating"))
USUAL = (pod(), NOBODY_BEGAN, FETCHES, WORKSPACE, PREPARED, CREATED)


@pytest.mark.parametrize(("before", "after"), list(pairwise(USUAL)))
def test_a_preparation_that_goes_as_it_should_is_no_news(before: Pod, after: Pod) -> None:
    assert replace(after, version="9").has_only_got_on_since(before)


@pytest.mark.parametrize("shown", USUAL)
def test_nothing_is_decided_while_it_goes_as_it_should(shown: Pod) -> None:
    command = b.held_command(b.working())
    seen = b.observed(command, agent_pod=shown, volume=b.volume())
    settled = replace(seen, command=replace(command, status=decide(seen, NOW).status or command.status))

    assert decide(settled, NOW) == Plan(look_again_after=decide(settled, NOW).look_again_after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FETCHES, pod(b.ended("fetch", 1), b.waiting("workspace"), AGENT_WAITS)),
        (NOBODY_BEGAN, pod(b.waiting("fetch", "ErrImagePull"), b.waiting("workspace"), AGENT_WAITS)),
        (pod(b.waiting("fetch", "ErrImagePull"), b.waiting("workspace"), AGENT_WAITS), FETCHES),
        (PREPARED, pod(b.ended("fetch", 0), b.ended("workspace", 0), b.waiting("agent", "CreateContainerError"))),
        (PREPARED, pod(b.ended("fetch", 0), b.ended("workspace", 0), b.running("agent"))),
        (PREPARED, pod(b.ended("fetch", 0), b.ended("workspace", 0), b.ended("agent", 0))),
        (FETCHES, replace(WORKSPACE, phase="Running")),
        (FETCHES, replace(WORKSPACE, is_being_deleted=True)),
        (FETCHES, replace(WORKSPACE, uid="another")),
        (FETCHES, replace(WORKSPACE, reason="Evicted")),
        (pod(is_scheduled=False), NOBODY_BEGAN),
    ],
    ids=[
        "a preparation fails",
        "one cannot begin",
        "one that could not begin does",
        "the agent cannot begin",
        "the agent begins",
        "the agent has ended already",
        "another phase",
        "its deletion",
        "another pod of that name",
        "why it ends",
        "a node takes it",
    ],
)
def test_anything_else_is_news(before: Pod, after: Pod) -> None:
    assert not after.has_only_got_on_since(before)


def test_a_publish_pods_export_is_a_preparation_and_its_push_is_not() -> None:
    exports = pod(b.running("export"), b.waiting("publish"))
    exported = pod(b.ended("export", 0), b.waiting("publish"))
    pushes = pod(b.ended("export", 0), b.running("publish"))

    assert exported.has_only_got_on_since(exports)
    assert not pushes.has_only_got_on_since(exported)
