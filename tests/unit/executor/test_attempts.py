"""Several attempts with the real reconciler and world: places, limits, commitments, and what late calls may not do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import LIMITS, NAME, NAMESPACE, OTHER_UID, UID
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import OperatorProcess, live, populated

from bugcommand_operator.api.names import LABEL_ATTEMPT, worktree_volume_name
from bugcommand_operator.cluster.errors import Conflict
from bugcommand_operator.core.settings import Identity

QUICK = replace(LIMITS, drain=timedelta(0))
OVERLOADED = End(69, {"reason": "ModelOverloaded", "unshipped": 0})
VOLUME = worktree_volume_name(NAME)


def cluster_of(*commands: dict[str, Any], **script: Any) -> ClusterModel:
    return populated(ClusterModel(kubelet=Kubelet(Script(**script))), commands)


def mine(**spec: Any) -> dict[str, Any]:
    return bug_command(NAME, NAMESPACE, UID, **spec)


def status(cluster: ClusterModel, name: str = NAME) -> dict[str, Any]:
    found = cluster.find("BugCommand", name)
    assert found is not None
    return dict(found["status"])


def edit(cluster: ClusterModel, **spec: Any) -> None:
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    cluster.put({**found, "spec": {**found["spec"], **spec}})


async def until(cluster: ClusterModel, process: OperatorProcess, phase: str, name: str = NAME) -> OperatorProcess:
    for _ in range(60):
        process = await live(cluster, process, 1)
        if (cluster.find("BugCommand", name) or {}).get("status", {}).get("phase") == phase:
            return process
    raise AssertionError(f"{name} is {status(cluster, name)}")


async def test_between_two_attempts_another_command_has_the_place() -> None:
    other = bug_command("other", NAMESPACE, OTHER_UID)
    cluster = cluster_of(mine(retry={"limit": 1}, priority=10), other, first_agents=[OVERLOADED])
    started = await OperatorProcess(cluster, limits=replace(QUICK, executor=1)).start()
    process = await until(cluster, started, "Pending")
    process = await until(cluster, process, "Running", "other")
    assert "claim" not in status(cluster)
    await until(cluster, process, "Succeeded")
    assert [each["reason"] for each in status(cluster)["attempts"]] == ["ModelOverloaded", "Completed"]


async def test_no_other_command_begins_on_a_commitment_that_is_between_two_attempts() -> None:
    cluster = cluster_of(mine(retry={"limit": 1}, commitmentId="cmt_login"), first_agents=[OVERLOADED])
    process = await until(cluster, await OperatorProcess(cluster, limits=QUICK).start(), "Pending")
    cluster.create(bug_command("other", NAMESPACE, OTHER_UID, commitmentId="cmt_login"))
    process = await until(cluster, process, "Refused", "other")
    await until(cluster, process, "Succeeded")


async def test_a_volume_that_went_to_its_command_is_its_own_again_before_another_agent_starts() -> None:
    cluster = cluster_of(mine())
    process = await until(cluster, await OperatorProcess(cluster, limits=QUICK).start(), "Succeeded")
    process = await live(cluster, process, 2)
    owned = cluster.find("PersistentVolumeClaim", VOLUME)
    assert owned is not None and owned["metadata"]["ownerReferences"]
    edit(cluster, retry={"afterAttempt": 1})
    process = await until(cluster, process, "Running")
    taken = cluster.find("PersistentVolumeClaim", VOLUME)
    assert taken is not None
    assert (taken["metadata"].get("ownerReferences"), taken["metadata"]["labels"][LABEL_ATTEMPT]) == (None, "2")
    late = {"metadata": {"resourceVersion": owned["metadata"]["resourceVersion"], "ownerReferences": []}}
    with pytest.raises(Conflict):
        cluster.patch("PersistentVolumeClaim", NAMESPACE, VOLUME, late)
    await until(cluster, process, "Succeeded")
    assert status(cluster)["attempt"] == 2
    assert cluster.kubelet.lost == []


async def test_a_later_attempt_takes_no_more_writes_than_a_first_one() -> None:
    cluster = cluster_of(mine(retry={"limit": 1}), first_agents=[OVERLOADED])
    process = await until(cluster, await OperatorProcess(cluster, limits=QUICK).start(), "Pending")
    cluster.calls.clear()
    await until(cluster, process, "Succeeded")
    writes = [call for call in cluster.calls if call.writes and not call.name.endswith("-mirror")]
    assert len(writes) <= 12, writes


async def test_a_parked_command_that_is_deleted_is_rescued_once_though_two_executors_see_it() -> None:
    cluster = cluster_of(mine(), agent_steps=-1)
    one = await until(cluster, await OperatorProcess(cluster, limits=QUICK).start(), "Running")
    two = await OperatorProcess(cluster, Identity("bridge-1", "site-1"), QUICK).start()
    edit(cluster, suspend=True)
    one = await until(cluster, one, "Parked")
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    cluster.mark_deleted(found)
    for _ in range(15):
        await two.work()
        await one.work()
        cluster.step()
    assert cluster.find("BugCommand", NAME) is None
    assert [o["metadata"]["name"] for o in cluster.created].count(f"{NAME}-1-rescue") == 1
    assert (cluster.find("PersistentVolumeClaim", VOLUME), cluster.kubelet.lost) == (None, [])
