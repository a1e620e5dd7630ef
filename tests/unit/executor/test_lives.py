"""Whole lives with the real reconciler, world and handlers: deaths at every call, refusals, races, stalled watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import LIMITS, NAME, NAMESPACE, UID
from tests.support.cluster_model import Call, ClusterModel, Died, bug_command
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import OperatorProcess, live, populated

from bugcommand_operator.api.names import LABEL_COMMAND_UID, LABEL_KEPT
from bugcommand_operator.cluster.errors import ClusterUnavailable, Conflict
from bugcommand_operator.core.settings import Identity

QUICK = replace(
    LIMITS,
    start=timedelta(seconds=60),
    drain=timedelta(0),
    publish=timedelta(seconds=100),
    rescue=timedelta(seconds=60),
)
OTHER = Identity("bridge-1", "site-1")
STEPS = 22


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ClusterModel]:
    def make(script: Script | None = None, commands: list[dict[str, Any]] | None = None) -> ClusterModel:
        return populated(ClusterModel(kubelet=Kubelet(script or Script())), commands)

    return make


New = Callable[..., ClusterModel]


def status(cluster: ClusterModel, name: str = NAME) -> dict[str, Any]:
    found = cluster.find("BugCommand", name)
    assert found is not None
    return dict(found.get("status") or {})


def ended(cluster: ClusterModel, name: str = NAME) -> tuple[str, str]:
    shown = status(cluster, name)
    succeeded = next(c for c in shown["conditions"] if c["type"] == "Succeeded")
    return shown["phase"], succeeded["reason"]


def mine(cluster: ClusterModel, kind: str) -> list[str]:
    found = (o for o in cluster.of_kind(kind) if (o["metadata"].get("labels") or {}).get(LABEL_COMMAND_UID) == UID)
    return [o["metadata"]["name"] for o in found if o["metadata"]["labels"].get(LABEL_KEPT) != "true"]


def made(cluster: ClusterModel, name: str) -> int:
    return sum(1 for o in cluster.created if o["metadata"]["name"] == name)


def check_single_effects(cluster: ClusterModel) -> None:
    assert made(cluster, f"{NAME}-1-agent") <= 1
    assert all(runs == 1 for runs in cluster.kubelet.prompts.values())
    assert cluster.kubelet.lost == []


async def test_a_command_lives_from_its_creation_to_its_branch(new: New) -> None:
    cluster = new()
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())

    assert ended(cluster) == ("Succeeded", "Completed")
    assert [e.reason for e in process.told.events] == ["Claimed", "AgentStarted", "Publishing", "Succeeded"]
    assert process.errors == []
    check_single_effects(cluster)


async def test_a_life_takes_at_most_twelve_writes_of_its_own(new: New) -> None:
    cluster = new()
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())
    shared = ("-mirror", "mentu-agents")
    writes = [c for c in cluster.calls if c.writes and not c.name.endswith(shared)]

    assert len(writes) <= 12, writes


async def test_nothing_waits_for_the_echo_of_its_own_writes(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = new()
    process = await OperatorProcess(cluster, limits=QUICK, hears=False).start()

    async def bound_with_the_pod(_name: str) -> bool:
        return False

    monkeypatch.setattr(process.reconciler._classes, "binds_at_once", bound_with_the_pod)
    await process.one((NAMESPACE, NAME))

    pod = cluster.find("Pod", f"{NAME}-1-agent")
    assert pod is not None
    assert not pod["spec"].get("schedulingGates")


async def test_a_finished_command_is_left_in_peace(new: New) -> None:
    cluster = new()
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())
    calls = len(cluster.calls)
    for key in process.world.commands.items:
        process.enqueue(key)
    await live(cluster, process, 5)

    assert len(cluster.calls) == calls


def unpublished_with_ttl(new: New, seconds: int) -> ClusterModel:
    """Its agent fails, so its work is on its volume only."""
    bug = bug_command(NAME, NAMESPACE, UID, ttlSecondsAfterFinished=seconds)
    return new(Script(agent=End(1, {"reason": "AgentFailed"})), [bug])


async def test_a_command_goes_by_itself_when_its_time_is_over_and_its_work_is_rescued(new: New) -> None:
    cluster = unpublished_with_ttl(new, 60)
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), STEPS + 20)

    assert cluster.find("BugCommand", NAME) is None
    assert [e.reason for e in process.told.events][-2:] == ["Expired", "WorkRescued"]
    assert mine(cluster, "Pod") == mine(cluster, "PersistentVolumeClaim") == []
    assert process.errors == []
    check_single_effects(cluster)


async def test_a_process_that_starts_anew_deletes_at_the_same_time(new: New) -> None:
    cluster = unpublished_with_ttl(new, 600)
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())
    assert cluster.find("BugCommand", NAME) is not None
    process.die()
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), 130)

    assert cluster.find("BugCommand", NAME) is None


async def test_one_that_was_changed_in_the_last_moment_is_not_deleted(new: New) -> None:
    """It says by then that it is kept; the executor has not heard of it."""
    cluster = unpublished_with_ttl(new, 3600)
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())
    process.hears = False
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    kept = {**found, "spec": {k: v for k, v in found["spec"].items() if k != "ttlSecondsAfterFinished"}}
    cluster.put(kept)
    cluster.step(3600)
    await process.work()

    assert [type(e) for e in process.errors] == [Conflict]
    process.watch_anew()
    await live(cluster, process, 5)
    assert cluster.find("BugCommand", NAME) is not None


SCRIPTS: dict[str, tuple[Callable[[], Script], str]] = {
    "success": (Script, "Succeeded"),
    "a refusal": (lambda: Script(workspace=End(20, {"reason": "PermissionDenied"})), "Refused"),
    "a failing agent": (lambda: Script(agent=End(1)), "Failed"),
    "a push that is tried again": (
        lambda: Script(publish=[End(21), End(0, {"headCommit": "2" * 40, "pushed": True})]),
        "Succeeded",
    ),
    "a missing image": (lambda: Script(image_is_missing=True), "Failed"),
}


def at_call(number: int, what: type[BaseException], cluster: ClusterModel, *, after: bool) -> None:
    """The n-th call from now fails, before or after it took effect; each call after it goes well."""
    seen = 0

    def hook(call: Call) -> None:
        nonlocal seen
        seen += 1
        if seen == number + 1:
            raise what("by the test")

    if after:
        cluster.after = hook
    else:
        cluster.before = hook


async def calls_of(new: New, script: Script, *, deleted_at: int | None = None) -> int:
    cluster = new(script)
    await story(cluster, deleted_at)
    return len(cluster.calls)


async def story(cluster: ClusterModel, deleted_at: int | None = None) -> OperatorProcess:
    process = await OperatorProcess(cluster, limits=QUICK).start()
    if deleted_at is None:
        return await live(cluster, process, STEPS)
    process = await live(cluster, process, deleted_at)
    found = cluster.find("BugCommand", NAME)
    if found is not None:
        cluster.mark_deleted(found)
    return await live(cluster, process, STEPS)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_process_killed_at_any_call_is_followed_by_one_that_ends_it_well(
    new: New, name: str, after: bool
) -> None:
    script, phase = SCRIPTS[name]
    for number in range(await calls_of(new, script())):
        cluster = new(script())
        at_call(number, Died, cluster, after=after)
        await story(cluster)

        assert ended(cluster)[0] == phase, number
        check_single_effects(cluster)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [ClusterUnavailable, Conflict])
async def test_a_call_that_fails_once_is_made_good(new: New, error: type[BaseException], after: bool) -> None:
    """After it took effect: the answer was lost on its way."""
    for number in range(await calls_of(new, Script())):
        cluster = new()
        at_call(number, error, cluster, after=after)
        await story(cluster)

        assert ended(cluster) == ("Succeeded", "Completed"), number
        check_single_effects(cluster)


@pytest.mark.parametrize("deleted_at", [1, 2, 4, 6, 8, 10])
async def test_a_deletion_leaves_nothing_wherever_the_process_is_killed(new: New, deleted_at: int) -> None:
    for number in range(await calls_of(new, Script(), deleted_at=deleted_at)):
        cluster = new()
        at_call(number, Died, cluster, after=number % 2 == 0)
        await story(cluster, deleted_at)

        assert cluster.find("BugCommand", NAME) is None, number
        assert mine(cluster, "Pod") + mine(cluster, "PersistentVolumeClaim") == [], number
        check_single_effects(cluster)


async def test_of_two_executors_exactly_one_claims(new: New) -> None:
    cluster = new()
    first = await OperatorProcess(cluster, limits=QUICK).start()
    second = await OperatorProcess(cluster, OTHER, QUICK).start()
    await asyncio.gather(first.work(), second.work())
    for _ in range(STEPS):
        await asyncio.gather(first.work(), second.work())
        cluster.step()

    assert ended(cluster) == ("Succeeded", "Completed")
    assert status(cluster)["claim"]["epoch"] == 1
    claims = [p for p in (first, second) if any(e.reason == "Claimed" for e in p.told.events)]
    assert len(claims) == 1
    check_single_effects(cluster)


async def test_a_claim_over_another_version_makes_nothing(new: New) -> None:
    cluster = new()
    process = await OperatorProcess(cluster, limits=QUICK, hears=False).start()
    cluster.patch("BugCommand", NAMESPACE, NAME, {"metadata": {"labels": {"edited": "by-somebody"}}})
    cluster.calls.clear()
    await process.one((NAMESPACE, NAME))

    assert [type(e) for e in process.errors] == [Conflict]
    assert cluster.of_kind("Pod") == []
    assert [c.verb for c in cluster.calls] == ["patch-status"]


async def test_a_watch_that_has_stalled_makes_no_second_pod_and_ends_with_the_next_list(new: New) -> None:
    cluster = new()
    process = await OperatorProcess(cluster, limits=QUICK, hears=False).start()
    for _ in range(STEPS):
        await process.work()
        cluster.step()
    check_single_effects(cluster)
    for _ in range(STEPS):
        await process.resync.once()
        await process.work()
        cluster.step()

    assert ended(cluster)[0] in {"Succeeded", "Failed"}
    check_single_effects(cluster)


async def test_an_api_server_that_is_away_is_not_a_pod_that_is_gone(new: New) -> None:
    cluster = new(Script(agent_steps=-1))
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), 8)
    process.die()
    restarted = OperatorProcess(cluster, limits=QUICK)
    restarted.world.put_command(cluster.find("BugCommand", NAME) or {})

    def away(call: Call) -> None:
        raise ClusterUnavailable("away")

    cluster.before = away
    restarted.enqueue((NAMESPACE, NAME))
    await restarted.work()

    assert status(cluster)["phase"] == "Running"
    assert [type(e) for e in restarted.errors] == [ClusterUnavailable]


async def test_a_pod_that_is_refused_is_told_of_and_made_when_it_may_be(new: New) -> None:
    cluster = new()
    cluster.refuses = lambda obj: "exceeded quota: pods" if obj["kind"] == "Pod" else ""
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), 3)
    ready = next(c for c in status(cluster)["conditions"] if c["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == ("PodRejected", "exceeded quota: pods")

    cluster.refuses = lambda _: ""
    await live(cluster, process, STEPS)
    assert ended(cluster) == ("Succeeded", "Completed")


async def test_a_refusal_that_stays_ends_the_command_without_an_agent(new: New) -> None:
    cluster = new()
    cluster.refuses = lambda obj: "exceeded quota: storage" if obj["kind"] == "PersistentVolumeClaim" else ""
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), STEPS)

    assert ended(cluster) == ("Failed", "PodRejected")
    assert not cluster.kubelet.prompts


async def test_a_namespace_on_its_way_out_lets_its_commands_go_at_once(new: New) -> None:
    cluster = new(Script(agent_steps=-1))
    process = await live(cluster, await OperatorProcess(cluster).start(), 8)
    cluster.refuses = lambda obj: f"{obj['metadata']['name']} is forbidden: because it is being terminated"
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    cluster.mark_deleted(found)
    await live(cluster, process, 6)

    assert cluster.find("BugCommand", NAME) is None
    assert cluster.kubelet.lost == []


async def test_a_squatted_pod_is_not_adopted_and_ends_the_command_at_its_deadline(new: New) -> None:
    cluster = new()
    squatter = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "name": f"{NAME}-1-agent", "labels": {LABEL_COMMAND_UID: UID}},
        "spec": {"initContainers": [], "containers": [{"name": "squatter"}], "volumes": []},
    }
    cluster.create(squatter)
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), STEPS)

    assert ended(cluster)[0] == "Failed"
    assert cluster.find("Pod", f"{NAME}-1-agent") is not None


async def test_the_same_name_again_waits_for_what_the_earlier_command_left(new: New) -> None:
    cluster = new(Script(agent_steps=-1))
    process = await live(cluster, await OperatorProcess(cluster).start(), 8)
    cluster.objects.pop(("BugCommand", NAMESPACE, NAME))  # somebody tore its finalizer off
    cluster.kubelet.script.agent_steps = 2
    again = UID.replace("0b5c", "1b5c")
    cluster.create(bug_command(NAME, NAMESPACE, again))
    cluster.delete("PersistentVolumeClaim", NAMESPACE, f"{NAME}-worktree")
    cluster.kubelet.unsaved.clear()
    await live(cluster, process, 30)

    assert ended(cluster) == ("Succeeded", "Completed")
    assert cluster.kubelet.prompts[again, "1"] == 1


async def test_a_limit_holds_and_each_end_makes_room_for_the_next(new: New) -> None:
    uids = {f"bug-{n}": f"{n:08d}" + UID[8:] for n in range(6)}
    cluster = new(commands=[bug_command(name, NAMESPACE, uid) for name, uid in uids.items()])
    process = await OperatorProcess(cluster, limits=replace(QUICK, executor=2)).start()
    for _ in range(60):
        await process.work()
        running = [o for o in cluster.of_kind("BugCommand") if (o.get("status") or {}).get("claim")]
        active = [o for o in running if o["status"]["phase"] not in {"Succeeded", "Failed"}]
        assert len(active) <= 2
        cluster.step()

    assert {ended(cluster, name)[0] for name in uids} == {"Succeeded"}


@pytest.mark.parametrize("after", [False, True])
async def test_a_process_killed_at_any_call_leaves_no_place_of_a_limited_repository_taken(
    new: New, after: bool
) -> None:
    uids = {f"bug-{n}": f"{n:08d}" + UID[8:] for n in range(2)}

    def limited() -> ClusterModel:
        cluster = new(commands=[bug_command(name, NAMESPACE, uid) for name, uid in uids.items()])
        cluster.patch("Repository", NAMESPACE, "shop", {"spec": {"concurrency": {"limit": 1}}})
        return cluster

    whole = limited()
    await live(whole, await OperatorProcess(whole, limits=QUICK).start(), 2 * STEPS)
    for number in range(len(whole.calls)):
        cluster = limited()
        at_call(number, Died, cluster, after=after)
        await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), 2 * STEPS)

        assert {ended(cluster, name)[0] for name in uids} == {"Succeeded"}, number


async def test_a_command_that_waits_for_somebody_is_not_looked_at_again_and_again(new: New) -> None:
    cluster = new(commands=[bug_command(NAME, NAMESPACE, UID, suspend=True)])
    process = await OperatorProcess(cluster, limits=QUICK).start()
    await process.work()

    assert min(process.due.values()) > cluster.now + timedelta(minutes=1)


async def test_two_commands_of_one_commitment_do_not_work_on_it_at_once(new: New) -> None:
    uids = {f"bug-{n}": f"{n:08d}" + UID[8:] for n in range(2)}
    same = [bug_command(name, NAMESPACE, uid, commitmentId="cmt_login") for name, uid in uids.items()]
    cluster = new(commands=same)
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), STEPS)

    assert sorted(ended(cluster, name)[1] for name in uids) == ["CommitmentActive", "Completed"]


async def test_a_command_that_is_not_understood_stops_no_other(new: New) -> None:
    broken = bug_command("broken", NAMESPACE, UID[:-2] + "77", prompt="")
    cluster = new(commands=[broken, bug_command(NAME, NAMESPACE, UID)])
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), STEPS)

    assert ended(cluster) == ("Succeeded", "Completed")
    assert "prompt" in process.world.unreadable[NAMESPACE, "broken"]
