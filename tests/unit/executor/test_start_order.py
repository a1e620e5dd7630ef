"""What is on the way from a command's creation to its pod, and in which order: each write there is latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.builders import LIMITS, NAME, NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.kubelet import Kubelet, Script
from tests.support.operator_process import OperatorProcess, live, populated

from bugcommand_operator.cluster.reach import Reach
from bugcommand_operator.executor.starting import FEW_CLAIMS


async def test_nothing_but_the_claim_stands_between_a_command_and_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = populated(ClusterModel())
    process = await OperatorProcess(cluster).start()
    process.told.post = lambda _, event: cluster._called("post", "Event", event.reason)  # type: ignore[method-assign,assignment]
    cluster.calls.clear()
    await process.work()

    written = [(c.kind, c.name) for c in cluster.calls if c.writes]
    assert written[:3] == [("BugCommand", NAME), ("Pod", f"{NAME}-1-agent"), ("BugCommand", NAME)]
    assert ("PersistentVolumeClaim", f"{NAME}-worktree") in written
    assert written.index(("Event", "Claimed")) > written.index(("Pod", f"{NAME}-1-agent"))


async def test_in_a_burst_all_but_a_few_are_claimed_before_the_first_pod_is_made_and_then_each_gets_its_own() -> None:
    names = [f"bug-{number:02d}" for number in range(2 * FEW_CLAIMS)]
    uids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(len(names))]
    commands = [bug_command(name, NAMESPACE, uid) for name, uid in zip(names, uids, strict=True)]
    cluster = populated(ClusterModel(), commands)
    process = await OperatorProcess(cluster, limits=replace(LIMITS, executor=len(names))).start()
    cluster.calls.clear()
    await process.work()

    written = [(c.kind, c.name) for c in cluster.calls if c.writes]
    claims_of_most = sorted({name for kind, name in written[:FEW_CLAIMS] if kind == "BugCommand"})
    assert len(claims_of_most) == FEW_CLAIMS
    assert {name for kind, name in written if kind == "Pod"} == {f"{name}-1-agent" for name in names}


async def test_who_was_taken_over_while_it_waited_stands_in_no_line_here() -> None:
    cluster = populated(ClusterModel())
    process = await OperatorProcess(cluster).start()
    process.reconciler.starting._most = 0
    await process.work()
    assert process.reconciler.starting.waiting == 1
    claim = {"executor": "bridge-other", "machine": "m", "epoch": 2, "at": cluster.now.isoformat()}
    cluster.patch("BugCommand", NAMESPACE, NAME, {"status": {"claim": claim}}, status=True)
    await process.hear()
    await process.one((NAMESPACE, NAME))

    assert process.reconciler.starting.waiting == 0


class JustBack(FakeKube):
    @property
    def reach(self) -> Reach:
        reach = Reach(self.now)
        reach.answered(writes=False)
        return reach


@pytest.mark.parametrize(("kube_of", "fails"), [(FakeKube, True), (JustBack, False)])
async def test_what_could_not_start_while_the_api_server_was_away_has_its_time_anew(
    kube_of: Callable[[ClusterModel], FakeKube], fails: bool
) -> None:
    cluster = populated(ClusterModel(kubelet=Kubelet(Script(image_is_missing=True))))
    process = await live(cluster, await OperatorProcess(cluster, kube_of=kube_of).start(), 4)
    cluster.now += 2 * LIMITS.start
    process.enqueue((NAMESPACE, NAME))
    await process.work()

    found = cluster.find("BugCommand", NAME)
    assert found is not None
    assert (found["status"]["phase"] == "Failed") == fails
