"""Whole lives of commands in a modelled cluster, with a process that dies before and after each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import LIMITS, NAME, UID
from tests.support.cluster_model import ClusterModel
from tests.support.kubelet import End, Script
from tests.support.simulation import DeathAt, Simulation

from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.api.names import LABEL_KEPT

STEPS = 45
MOST_STATUS_BYTES = 32 * 1024
REFUSED = End(20, {"reason": "PermissionDenied", "message": "genesis.key does not allow it"})
TRY_AGAIN = End(21, {"reason": "RepositoryUnreachable", "message": "no answer"})
OVERLOADED = End(69, {"reason": "ModelOverloaded", "message": "529", "unshipped": 0})
PUSHED = End(0, {"headCommit": "2" * 40, "pushed": True})
QUICK = replace(
    LIMITS,
    start=timedelta(seconds=60),
    drain=timedelta(0),
    publish=timedelta(seconds=100),
    rescue=timedelta(seconds=60),
)


@dataclass(frozen=True)
class Story:
    phase: str
    script: Callable[[], Script] = Script
    spec: dict[str, Any] = field(default_factory=dict)
    people: Callable[[Simulation, int], None] = lambda *_: None
    reason: str = ""
    attempts: int = 1
    """Those that there are at most; each ends once."""
    eventful: int = 14
    """Until this step something may still happen although nothing changes: a deadline, a person."""

    def told(self, dies: DeathAt | None = None, *, is_late: bool = False, steps: int = STEPS) -> Simulation:
        return Simulation(
            script=self.script(),
            spec=self.spec,
            dies=dies,
            people=self.people,
            is_late=is_late,
            limits=QUICK,
            eventful=self.eventful,
        ).run(steps)


def at_step(number: int, what: Callable[[Simulation], None]) -> Callable[[Simulation, int], None]:
    return lambda simulation, step: what(simulation) if step == number else None


def pod_lost(simulation: Simulation) -> None:
    simulation.cluster.lose_pod(f"{NAME}-1-agent")


def suspended(first: int, last: int) -> Callable[[Simulation, int], None]:
    return all_of(at_step(first, Simulation.suspend), at_step(last, lambda s: s.suspend(wanted=False)))


def all_of(*each: Callable[[Simulation, int], None]) -> Callable[[Simulation, int], None]:
    def people(simulation: Simulation, step: int) -> None:
        for one in each:
            one(simulation, step)

    return people


STORIES = {
    "an agent that fixes the bug": Story("Succeeded"),
    "an agent that changes nothing": Story("Failed", lambda: Script(changes=False), reason="NoChanges"),
    "a workspace that refuses": Story("Refused", lambda: Script(workspace=REFUSED), reason="PermissionDenied"),
    "an agent that fails": Story(
        "Failed", lambda: Script(agent=End(1, {"reason": "AgentFailed"})), reason="AgentFailed"
    ),
    "an agent that runs out of memory": Story(
        "Failed", lambda: Script(agent=End(137, reason="OOMKilled")), reason="OutOfMemory"
    ),
    "an image that is missing": Story("Failed", lambda: Script(image_is_missing=True), reason="ImageNotAvailable"),
    "a push that succeeds the third time": Story(
        "Succeeded", lambda: Script(publish=[TRY_AGAIN, TRY_AGAIN, PUSHED]), reason="Completed"
    ),
    "a push that never succeeds": Story(
        "Failed", lambda: Script(publish=[TRY_AGAIN]), reason="RepositoryUnreachable or PublishFailed"
    ),
    "a push that is refused": Story(
        "Failed", lambda: Script(publish=[End(20, {"reason": "PushRejected"})]), reason="PushRejected"
    ),
    "a cancellation before the claim": Story("Cancelled", people=at_step(0, Simulation.cancel), reason="Cancelled"),
    "a cancellation while preparing": Story("Cancelled", people=at_step(2, Simulation.cancel), reason="Cancelled"),
    "a cancellation while the agent works": Story(
        "Cancelled", lambda: Script(agent_steps=-1), people=at_step(8, Simulation.cancel), reason="Cancelled"
    ),
    "an agent that outlasts its time": Story(
        "Failed", lambda: Script(agent_steps=-1), {"timeoutSeconds": 5}, reason="TimedOut", eventful=36
    ),
    "a pod that is lost": Story(
        "Failed", lambda: Script(agent_steps=-1), people=at_step(8, pod_lost), reason="PodLost"
    ),
    "a model that is overloaded twice": Story(
        "Succeeded",
        lambda: Script(first_agents=[OVERLOADED, OVERLOADED]),
        {"retry": {"limit": 2}},
        attempts=3,
        eventful=30,
    ),
    "a model that stays overloaded": Story(
        "Failed", lambda: Script(agent=OVERLOADED), {"retry": {"limit": 1}}, reason="ModelOverloaded", attempts=2
    ),
    "a pod that is lost, and tried again": Story(
        "Succeeded", spec={"retry": {"limit": 1}}, people=at_step(6, pod_lost), attempts=2
    ),
    "a suspension while the agent works": Story("Succeeded", people=suspended(6, 12), attempts=2, eventful=16),
    "a suspension while preparing": Story("Succeeded", people=suspended(2, 8), attempts=2),
    "a suspension that a cancellation ends": Story(
        "Cancelled",
        lambda: Script(agent_steps=-1),
        people=all_of(at_step(6, Simulation.suspend), at_step(12, Simulation.cancel)),
        reason="Cancelled",
    ),
    "a cancellation that is taken back": Story(
        "Succeeded",
        people=all_of(at_step(6, Simulation.cancel), at_step(13, Simulation.retry)),
        attempts=2,
        eventful=18,
    ),
    "a success that is not enough": Story("Succeeded", people=at_step(20, Simulation.retry), attempts=2, eventful=26),
    "no output wanted": Story("Succeeded", spec={"output": "None"}),
}
NAMES = sorted(STORIES)


def check(simulation: Simulation, story: Story) -> None:
    """The oracle of every story that ends with the command still there."""
    command, kubelet = simulation.command(), simulation.cluster.kubelet
    assert command.status.phase == story.phase
    assert command.condition_reason(ConditionType.SUCCEEDED) in (story.reason or "Completed").split(" or ")
    assert simulation.agent_pods_made() <= 1
    assert all(runs == 1 for runs in kubelet.prompts.values())
    told = [each.attempt for each in command.status.attempts]
    assert told == list(range(1, command.attempt + 1))
    assert command.attempt <= story.attempts
    published = sum(each.reason == "Completed" for each in command.status.attempts)
    assert kubelet.pushed["publish"] == (published if command.status.branch else 0)
    assert all(len(s.model_dump_json()) < MOST_STATUS_BYTES for s in simulation.statuses)
    running = [p for p in simulation.cluster.of_kind("Pod") if p["status"]["phase"] in {"Pending", "Running"}]
    assert running == []


def check_gone(simulation: Simulation) -> None:
    """The oracle of every deletion: nothing stays but what is marked as kept, and no work is lost."""
    assert simulation.is_gone()
    assert simulation.left() == set()
    assert simulation.cluster.kubelet.lost == []
    kept = [v for v in simulation.cluster.of_kind("PersistentVolumeClaim") if v["metadata"]["labels"].get(LABEL_KEPT)]
    assert kept or UID not in simulation.cluster.kubelet.unsaved


def calls_of(story: Story) -> int:
    return len(story.told().cluster.calls)


def deaths(calls: int) -> list[DeathAt]:
    return [DeathAt(n, after) for n in range(calls) for after in (False, True)]


@pytest.mark.parametrize("name", NAMES)
def test_each_story_ends_as_it_should_and_then_nothing_is_written(name: str) -> None:
    simulation = STORIES[name].told()

    check(simulation, STORIES[name])
    calls = len(simulation.cluster.calls)
    simulation.run(5)
    assert len(simulation.cluster.calls) == calls


@pytest.mark.parametrize("name", NAMES)
def test_a_process_that_dies_at_any_call_changes_nothing_of_the_end(name: str) -> None:
    for death in deaths(calls_of(STORIES[name])):
        simulation = STORIES[name].told(death)
        try:
            check(simulation, STORIES[name])
        except AssertionError as error:
            raise AssertionError(f"{name}, {death}: {error}") from error


@pytest.mark.parametrize("name", NAMES)
def test_a_watch_that_is_late_changes_nothing_of_the_end(name: str) -> None:
    simulation = STORIES[name].told(is_late=True)

    check(simulation, STORIES[name])


@pytest.mark.parametrize("name", NAMES)
def test_what_has_ended_leaves_nothing_when_it_is_deleted(name: str) -> None:
    simulation = STORIES[name].told()
    simulation.delete()
    simulation.run(25)

    check_gone(simulation)


@pytest.mark.parametrize("step", range(1, 16))
def test_a_deletion_in_any_phase_leaves_nothing_and_loses_nothing_wherever_the_process_dies(step: int) -> None:
    story = Story("", people=at_step(step, Simulation.delete))
    for death in [None, *deaths(calls_of(story))]:
        simulation = story.told(death, steps=step + 25)
        try:
            check_gone(simulation)
            assert simulation.agent_pods_made() <= 1
        except AssertionError as error:
            raise AssertionError(f"deleted at step {step}, {death}: {error}") from error


@pytest.mark.parametrize("step", range(1, 16))
def test_a_deletion_with_a_late_watch_loses_nothing(step: int) -> None:
    check_gone(Story("", people=at_step(step, Simulation.delete)).told(is_late=True, steps=step + 25))


@pytest.mark.parametrize("step", [4, 8, 10, 12])
def test_work_that_cannot_be_rescued_is_kept_on_its_volume(step: int) -> None:
    def script() -> Script:
        return Script(agent_steps=3, rescue=[End(20, {"reason": "PushRejected", "message": "no"})])

    simulation = Story("", script, people=at_step(step, Simulation.delete)).told(steps=step + 30)

    check_gone(simulation)


def test_a_finalizer_is_let_go_at_its_deadline_though_the_node_with_the_agent_is_lost() -> None:
    simulation = Simulation(script=Script(agent_steps=-1, ignores_deletion=True), limits=QUICK).run(10)
    simulation.eventful = 30
    simulation.delete()
    simulation.run(30)

    assert simulation.is_gone()
    assert [v["metadata"]["labels"].get(LABEL_KEPT) for v in volumes_of_the_command(simulation.cluster)] == ["true"]


def volumes_of_the_command(cluster: ClusterModel) -> list[dict[str, Any]]:
    return [v for v in cluster.of_kind("PersistentVolumeClaim") if v["metadata"]["name"].startswith(NAME)]


def test_a_life_takes_at_most_twelve_writes_of_its_own() -> None:
    simulation = STORIES["an agent that fixes the bug"].told()
    writes = [c for c in simulation.cluster.calls if c.writes and not c.name.endswith("-mirror")]

    assert len(writes) <= 12, writes
