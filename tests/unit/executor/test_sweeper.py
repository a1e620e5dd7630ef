"""What has outlived its command is found in the cluster itself, dealt with once, and told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.support.builders import NAME, NAMESPACE, REPOSITORY, UID, command, working
from tests.support.cluster_model import Call, ClusterModel, bug_command
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import INSTALL, OperatorProcess, live, populated

from bugcommand_operator.api.names import LABEL_KEPT
from bugcommand_operator.cluster.errors import AccessDenied, ClusterUnavailable
from bugcommand_operator.core.sweeping import GRACE
from bugcommand_operator.executor.sweeper import Sweeper
from bugcommand_operator.manifests.publish_pod import rescue_pod
from bugcommand_operator.manifests.volumes import worktree_volume

VOLUME = f"{NAME}-worktree"
LONG = GRACE.total_seconds() + 60
Raw = dict[str, Any]


class Replica:
    def __init__(self, cluster: ClusterModel) -> None:
        self.process = OperatorProcess(cluster)
        self.process.told.is_posting = True
        self.sweeper = Sweeper(self.process.kube, self.process.world, self.process.told)

    async def started(self) -> Replica:
        await self.process.start()
        return self

    def waiting_events(self) -> list[Raw]:
        queue = self.process.told._waiting
        return [queue.get_nowait() for _ in range(queue.qsize())]

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.waiting_events()]


@pytest.fixture
def cluster() -> ClusterModel:
    """The agent fails, so that its work is on its volume only."""
    return populated(ClusterModel(kubelet=Kubelet(Script(agent=End(1, {"reason": "AgentFailed"})))))


async def bereft(cluster: ClusterModel, seconds: float = LONG) -> None:
    """Its command has ended; then somebody took the finalizer off and deleted it, while no executor was there."""
    process = await live(cluster, await OperatorProcess(cluster).start())
    process.die()
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    cluster._remove(found)
    cluster.step(seconds)
    cluster.calls.clear()


def labels_of(cluster: ClusterModel, volume: str = VOLUME) -> Raw:
    found = cluster.find("PersistentVolumeClaim", volume)
    assert found is not None
    return dict(found["metadata"]["labels"])


def swept(kind: str, verdict: str) -> float:
    return REGISTRY.get_sample_value("mentu_swept_total", {"kind": kind, "verdict": verdict}) or 0.0


async def test_a_volume_whose_command_is_gone_is_kept_and_told_of_once(cluster: ClusterModel) -> None:
    await bereft(cluster)
    before = swept("PersistentVolumeClaim", "keep")
    replica = await Replica(cluster).started()
    await replica.sweeper.once()
    await replica.sweeper.once()

    assert labels_of(cluster)[LABEL_KEPT] == "true"
    (event,) = replica.waiting_events()
    about = event["involvedObject"]
    assert (event["reason"], about["kind"], about["name"]) == ("LeakedVolumeKept", "PersistentVolumeClaim", VOLUME)
    assert swept("PersistentVolumeClaim", "keep") == before + 1


async def test_the_installation_may_say_how_old_things_have_to_be(cluster: ClusterModel) -> None:
    await bereft(cluster, seconds=0)
    process = (await Replica(cluster).started()).process
    hasty = Sweeper(process.kube, process.world, process.told, grace=timedelta(0))
    patient = Sweeper(process.kube, process.world, process.told)
    await patient.once()
    assert LABEL_KEPT not in labels_of(cluster)
    await hasty.once()
    assert labels_of(cluster)[LABEL_KEPT] == "true"


async def test_a_pod_whose_command_is_gone_is_deleted(cluster: ClusterModel) -> None:
    """A rescue pod has no owner, so the cluster's own collector leaves it."""
    await bereft(cluster)
    manifest = rescue_pod(command(working()), REPOSITORY, INSTALL)
    cluster.create(manifest)
    cluster.step(LONG)
    replica = await Replica(cluster).started()
    await replica.sweeper.once()
    cluster.step()

    assert cluster.find("Pod", manifest["metadata"]["name"]) is None
    assert sorted(replica.reasons()) == ["LeakedPodDeleted", "LeakedVolumeKept"]


async def test_a_volume_that_was_never_bound_is_deleted(cluster: ClusterModel) -> None:
    stale = command(working(), uid="ffffffff-58c1-4d0b-9a83-0c7a3a1f0a02", name="other")
    cluster.create(worktree_volume(stale, REPOSITORY))
    found = cluster.find("PersistentVolumeClaim", "other-worktree")
    assert found is not None
    cluster.now += GRACE
    replica = await Replica(cluster).started()
    await replica.sweeper.once()

    deleted = cluster.find("PersistentVolumeClaim", "other-worktree")
    assert deleted is not None
    assert deleted["metadata"]["deletionTimestamp"]


async def test_while_all_commands_are_known_the_api_server_is_asked_nothing(cluster: ClusterModel) -> None:
    process = await live(cluster, await OperatorProcess(cluster).start())
    cluster.step(LONG)
    lists = Counting(process)
    await Sweeper(lists.process.kube, process.world, process.told).once()

    assert lists.asked == []


class Counting:
    """Notes each list that is asked for."""

    def __init__(self, process: OperatorProcess) -> None:
        self.process = process
        self.asked: list[str] = []
        whole = process.kube.list

        async def noted(kind: str, namespace: str | None = None, labels: str = "") -> list[Raw]:
            self.asked.append(kind)
            return await whole(kind, namespace, labels)

        process.kube.list = noted  # type: ignore[method-assign]


async def test_a_command_that_the_watches_lack_is_believed_to_be_there_when_the_api_server_says_so(
    cluster: ClusterModel,
) -> None:
    process = await live(cluster, await OperatorProcess(cluster).start())
    cluster.step(LONG)
    process.world.drop_command((NAMESPACE, NAME))
    lists = Counting(process)
    await Sweeper(process.kube, process.world, process.told).once()

    assert lists.asked == ["Pod", "PersistentVolumeClaim", "BugCommand"], "children before commands"
    assert LABEL_KEPT not in labels_of(cluster)


async def test_a_new_command_of_the_same_name_is_not_the_one_that_is_gone(cluster: ClusterModel) -> None:
    await bereft(cluster)
    cluster.create(bug_command(NAME, NAMESPACE, "ffffffff-58c1-4d0b-9a83-0c7a3a1f0a02"))
    replica = await Replica(cluster).started()
    await replica.sweeper.once()

    assert labels_of(cluster)[LABEL_KEPT] == "true"


async def test_of_several_executors_one_does_it_and_tells_of_it(cluster: ClusterModel) -> None:
    await bereft(cluster)
    replicas = [await Replica(cluster).started() for _ in range(3)]
    leaks = [await replica.sweeper._leaked(NAMESPACE) for replica in replicas]
    for replica, found in zip(replicas, leaks, strict=True):
        for child, verdict in found:
            await replica.sweeper._settle(child, verdict)

    assert all(leaks)
    assert [replica.reasons() for replica in replicas] == [["LeakedVolumeKept"], [], []]


@pytest.mark.parametrize("error", [ClusterUnavailable, AccessDenied])
async def test_commands_that_cannot_be_listed_are_not_taken_for_gone(
    cluster: ClusterModel, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bereft(cluster)
    replica = await Replica(cluster).started()
    whole = replica.process.kube.list

    async def fails(kind: str, namespace: str | None = None, labels: str = "") -> list[Raw]:
        if kind == "BugCommand":
            raise error("not now")
        return await whole(kind, namespace, labels)

    monkeypatch.setattr(replica.process.kube, "list", fails)
    with pytest.raises(error):
        await replica.sweeper.once()

    assert LABEL_KEPT not in labels_of(cluster)


async def test_one_that_the_api_server_refuses_to_change_holds_up_no_other(cluster: ClusterModel) -> None:
    await bereft(cluster)
    stale = command(working(), uid="ffffffff-58c1-4d0b-9a83-0c7a3a1f0a02", name="a-first")
    cluster.create(worktree_volume(stale, REPOSITORY))
    cluster.step(LONG)
    replica = await Replica(cluster).started()

    def refuse(call: Call) -> None:
        if call.verb == "patch" and call.name == "a-first-worktree":
            raise AccessDenied("by a policy")

    cluster.before = refuse
    await replica.sweeper.once()

    assert LABEL_KEPT not in labels_of(cluster, "a-first-worktree")
    assert labels_of(cluster)[LABEL_KEPT] == "true"
    assert UID in labels_of(cluster).values()
