"""Before the operator goes: nothing is lost, nothing hangs on a finalizer, and where that is not so it stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, UID
from tests.support.cluster_model import Call, ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import OperatorProcess, live, populated

from bugcommand_operator.api.names import FINALIZER, LABEL_KEPT, worktree_volume_name
from bugcommand_operator.cluster.errors import AccessDenied, ClusterUnavailable, Conflict
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.uninstall.leaving import Leaving, Refusal, Wanted

QUICK = replace(LIMITS, drain=timedelta(0), rescue=timedelta(seconds=60))
FAILS = Script(agent=End(code=1, says={"reason": "AgentFailed", "lines": 1, "lastSequence": 1, "unshipped": 0}))
WORKS = Script(agent_steps=-1)
WANTED = Wanted(machine=ME.machine, seconds=20)
pytestmark = pytest.mark.looptime


@dataclass
class Executors:
    """Those of the installation; `ending` pods do not end."""

    running: int = 1
    ending: list[str] = field(default_factory=list)
    scaled: list[int] = field(default_factory=list)
    on_stop: Callable[[], None] = lambda: None

    async def replicas(self) -> int:
        return self.running

    async def scale(self, replicas: int) -> None:
        self.scaled.append(replicas)
        self.running = replicas
        self.on_stop()

    async def pods(self) -> list[str]:
        return self.ending


async def lived(script: Script, steps: int = 10) -> tuple[ClusterModel, OperatorProcess]:
    cluster = populated(ClusterModel(kubelet=Kubelet(script)))
    return cluster, await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), steps)


async def leave(cluster: ClusterModel, executors: Executors, **wanted: Any) -> list[str]:
    left = await Leaving(FakeKube(cluster), executors, replace(WANTED, **wanted)).run()
    return [command.name for command in left]


def finalizers(cluster: ClusterModel, name: str = NAME) -> list[str]:
    found = cluster.find("BugCommand", name)
    assert found is not None
    return list(found["metadata"].get("finalizers") or [])


def kept(cluster: ClusterModel) -> bool:
    volume = cluster.find("PersistentVolumeClaim", worktree_volume_name(NAME))
    return volume is not None and volume["metadata"]["labels"].get(LABEL_KEPT) == "true"


async def test_where_it_is_wanted_a_running_command_keeps_the_operator_and_nothing_is_touched() -> None:
    cluster, _ = await lived(WORKS)
    executors, before = Executors(), cluster.version()
    with pytest.raises(Refusal, match=rf"1 BugCommand\(s\) are in progress.*:\n  {NAMESPACE}/{NAME} \(Running\)\n"):
        await leave(cluster, executors, refuses=True)
    assert (executors.scaled, cluster.version()) == ([], before)


async def test_of_many_running_commands_only_some_are_named() -> None:
    names = [f"bug-{n:02}" for n in range(12)]
    commands = [bug_command(name, NAMESPACE, f"{n:08}-58c1-4d0b-9a83-0c7a3a1f0a01") for n, name in enumerate(names)]
    cluster = populated(ClusterModel(kubelet=Kubelet(WORKS)), commands)
    await live(cluster, await OperatorProcess(cluster, limits=replace(QUICK, executor=20)).start(), 8)
    with pytest.raises(Refusal) as refused:
        await leave(cluster, Executors(), refuses=True)
    assert "bug-09 (Running)\n  and 2 more\n" in str(refused.value)


async def test_a_running_command_is_left_to_go_on_and_its_volume_is_kept() -> None:
    cluster, process = await lived(WORKS)
    process.die()
    executors = Executors()
    assert await leave(cluster, executors) == [NAME]
    assert (executors.running, finalizers(cluster), kept(cluster)) == (0, [], True)
    pod = cluster.find("Pod", f"{NAME}-1-agent")
    assert pod is not None and pod["status"]["phase"] == "Running"


async def test_a_parked_command_is_let_go_and_its_volume_is_kept() -> None:
    cluster, process = await lived(WORKS)
    command = cluster.find("BugCommand", NAME)
    assert command is not None
    cluster.put({**command, "spec": {**command["spec"], "suspend": True}})
    process = await live(cluster, process, 6)
    process.die()
    parked = cluster.find("BugCommand", NAME)
    assert parked is not None and parked["status"]["phase"] == "Parked"
    assert await leave(cluster, Executors()) == [NAME]
    assert (finalizers(cluster), kept(cluster)) == ([], True)


async def test_what_waits_for_its_turn_is_left_alone_and_keeps_nobody() -> None:
    cluster = populated(ClusterModel(), [bug_command(NAME, NAMESPACE, UID, suspend=True)])
    await live(cluster, await OperatorProcess(cluster).start(), 3)
    before = cluster.version()
    assert await leave(cluster, Executors()) == []
    assert cluster.version() == before


async def test_a_failed_command_can_be_deleted_afterwards_and_its_work_stays() -> None:
    cluster, process = await lived(FAILS)
    process.die()
    assert finalizers(cluster) == [FINALIZER]
    assert await leave(cluster, Executors()) == []
    cluster.delete("BugCommand", NAMESPACE, NAME)
    cluster.step()
    assert cluster.find("BugCommand", NAME) is None
    assert (kept(cluster), cluster.kubelet.lost) == (True, [])


async def test_an_operator_that_comes_back_takes_it_in_hand_again_and_saves_its_work() -> None:
    cluster, process = await lived(FAILS)
    process.die()
    await leave(cluster, Executors())
    process = await live(cluster, await OperatorProcess(cluster, limits=QUICK).start(), 3)
    assert finalizers(cluster) == [FINALIZER]
    cluster.delete("BugCommand", NAMESPACE, NAME)
    await live(cluster, process)
    assert "WorkRescued" in [event.reason for event in process.told.events]
    assert cluster.find("PersistentVolumeClaim", worktree_volume_name(NAME)) is None
    assert cluster.kubelet.lost == []


async def test_an_agent_that_was_left_is_seen_to_its_end_by_an_operator_that_comes_back() -> None:
    cluster, process = await lived(Script(agent_steps=15))
    process.die()
    assert await leave(cluster, Executors()) == [NAME]
    await live(cluster, await OperatorProcess(cluster, limits=QUICK).start())
    found = cluster.find("BugCommand", NAME)
    assert found is not None and found["status"]["phase"] == "Succeeded"
    assert all(runs == 1 for runs in cluster.kubelet.prompts.values())


async def test_a_deletion_in_progress_is_waited_for_while_somebody_sees_to_it() -> None:
    cluster, process = await lived(FAILS)
    cluster.delete("BugCommand", NAMESPACE, NAME)
    asked = 0

    class Working(FakeKube):
        """Each look of ours is a step of everybody else's."""

        async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[dict[str, Any]]:
            nonlocal asked
            asked += 1
            await live(cluster, process, 1)
            return await super().list(kind, namespace, labels)

    executors = Executors()
    assert await Leaving(Working(cluster), executors, WANTED).run() == []
    assert asked > 2
    assert sum(cluster.kubelet.pushed.values()) == 1
    assert cluster.find("PersistentVolumeClaim", worktree_volume_name(NAME)) is None


async def test_a_deletion_that_takes_too_long_is_let_through_and_its_volume_kept() -> None:
    cluster, process = await lived(FAILS)
    process.die()
    cluster.delete("BugCommand", NAMESPACE, NAME)
    executors = Executors()
    assert await leave(cluster, executors) == []
    assert (executors.scaled, cluster.find("BugCommand", NAME), kept(cluster)) == ([0], None, True)


async def test_where_it_is_wanted_a_deletion_that_takes_too_long_keeps_the_operator() -> None:
    cluster, _ = await lived(FAILS)
    cluster.delete("BugCommand", NAMESPACE, NAME)
    executors = Executors()
    with pytest.raises(Refusal, match=r"work is still being saved:\n  .* \(being deleted\)"):
        await leave(cluster, executors, refuses=True)
    assert (executors.scaled, finalizers(cluster)) == ([], [FINALIZER])


async def test_with_no_executor_there_a_deletion_is_let_through_and_its_volume_kept() -> None:
    cluster, process = await lived(FAILS)
    process.die()
    cluster.delete("BugCommand", NAMESPACE, NAME)
    assert await leave(cluster, Executors(running=0)) == []
    assert (cluster.find("BugCommand", NAME), kept(cluster)) == (None, True)


async def test_executors_come_back_when_one_of_them_does_not_end() -> None:
    cluster, _ = await lived(FAILS)
    executors = Executors(running=3, ending=["mentu-executor-0"])
    with pytest.raises(Refusal, match="pods of the executor have not ended: mentu-executor-0"):
        await leave(cluster, executors)
    assert (executors.scaled, finalizers(cluster)) == ([0, 3], [FINALIZER])


async def test_executors_come_back_when_a_command_was_claimed_at_the_last_moment() -> None:
    cluster = populated(ClusterModel(kubelet=Kubelet(WORKS)), [])
    claim = {"claim": {"executor": "bridge-0", "machine": ME.machine, "epoch": 1, "at": "2026-03-01T12:00:00Z"}}

    def claimed() -> None:
        if not cluster.of_kind("BugCommand"):
            cluster.create(bug_command(NAME, NAMESPACE, UID))
            cluster.patch("BugCommand", NAMESPACE, NAME, {"status": claim}, status=True)

    executors = Executors(on_stop=claimed)
    with pytest.raises(Refusal, match="in progress"):
        await leave(cluster, executors, refuses=True)
    assert executors.scaled == [0, 1]


async def test_another_machines_commands_and_other_namespaces_are_none_of_its_business() -> None:
    cluster = populated(ClusterModel(kubelet=Kubelet(WORKS)))
    await live(cluster, await OperatorProcess(cluster, Identity("bridge-7", "site-7")).start(), 8)
    before = cluster.version()
    assert await leave(cluster, Executors()) == []
    assert await leave(cluster, Executors(), machine="site-7", namespaces=("elsewhere",)) == []
    assert cluster.version() == before


async def test_other_finalizers_stay() -> None:
    cluster, process = await lived(FAILS)
    process.die()
    both = {"metadata": {"finalizers": ["example.test/hold", FINALIZER]}}
    cluster.patch("BugCommand", NAMESPACE, NAME, both)
    await leave(cluster, Executors())
    assert finalizers(cluster) == ["example.test/hold"]


@pytest.mark.parametrize("error", [ClusterUnavailable, Conflict])
@pytest.mark.parametrize("kind", ["BugCommand", "PersistentVolumeClaim"])
async def test_an_error_that_passes_is_waited_out(error: type[Exception], kind: str) -> None:
    cluster, process = await lived(FAILS)
    process.die()
    failures = [error("not now")]

    def fails(call: Call) -> None:
        if (call.verb, call.kind) == ("patch", kind) and failures:
            raise failures.pop()

    cluster.before = fails
    await leave(cluster, Executors())
    assert (failures, finalizers(cluster), kept(cluster)) == ([], [], True)


async def test_rights_that_are_missing_keep_the_operator() -> None:
    cluster, _ = await lived(FAILS)

    def refused(call: Call) -> None:
        if call.verb == "patch":
            raise AccessDenied("not yours")

    cluster.before = refused
    executors = Executors()
    with pytest.raises(AccessDenied):
        await leave(cluster, executors)
    assert (executors.running, finalizers(cluster)) == (1, [FINALIZER])
