"""Pods that are there, or were, and that no list and no watch has told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import NAME, NAMESPACE
from tests.support.builders import pod as built_pod
from tests.support.cluster_model import ClusterModel
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import OperatorProcess, populated
from tests.unit.core.test_pods_in_question import CASES

from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor.asking import AT_ONCE, Sort

KEY = NAMESPACE, NAME
UNREACHABLE = End(21)
LEFT = {"reason": "Completed", "lines": 3, "lastSequence": 3, "unshipped": 2}
MOST_STEPS = 60


def pod(cluster: ClusterModel, role: str) -> dict[str, Any] | None:
    return cluster.find("Pod", f"{NAME}-1-{role}")


def said(cluster: ClusterModel, type_: str) -> dict[str, Any]:
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    return next((c for c in found["status"]["conditions"] if c["type"] == type_), {})


async def process_until_pod(cluster: ClusterModel, role: str) -> OperatorProcess:
    process = await OperatorProcess(cluster).start()
    for _ in range(MOST_STEPS):
        await process.work()
        found = pod(cluster, role)
        if found is not None and not found["spec"].get("schedulingGates"):
            return process
        cluster.step()
    raise AssertionError(f"no {role} pod was made")


def step_until_it_has_ended(cluster: ClusterModel, role: str) -> None:
    for _ in range(MOST_STEPS):
        if ((pod(cluster, role) or {}).get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
            return
        cluster.step()
    raise AssertionError(f"the {role} pod has not ended")


async def test_a_publish_pod_is_asked_for_in_its_turn_alone() -> None:
    """Else a remote that nobody reaches, and an API server that hangs, would take every worker there is."""
    cluster = populated(ClusterModel(kubelet=Kubelet(Script(publish=[UNREACHABLE]))))
    process = await process_until_pod(cluster, "publish")
    step_until_it_has_ended(cluster, "publish")
    await process.work()
    while pod(cluster, "publish"):
        cluster.step()
    await process.hear()
    take_all_turns(process)
    cluster.calls.clear()

    await process.one(KEY)

    assert process.reconciler.asking.waits(KEY)
    assert cluster.calls == []


async def test_a_log_that_was_shipped_while_nobody_was_there_is_known_though_no_pod_may_be_made() -> None:
    cluster = populated(ClusterModel(kubelet=Kubelet(Script(agent=End(0, LEFT)))))
    process = await process_until_pod(cluster, "ship")
    process.die()
    step_until_it_has_ended(cluster, "ship")
    cluster.refuses = lambda obj: "exceeded quota: pods" if obj["kind"] == "Pod" else ""

    await (await OperatorProcess(cluster).start()).work()

    assert said(cluster, "LogsStored")["reason"] == "LogsStored"


async def test_nothing_is_taken_over_for_a_pod_that_is_there_and_only_waits() -> None:
    """It has failed to ship a moment ago, and it is too early to try again."""
    cluster = populated(ClusterModel(kubelet=Kubelet(Script(agent=End(0, LEFT), ship=[End(1, {"unshipped": 2})]))))
    process = await process_until_pod(cluster, "ship")
    step_until_it_has_ended(cluster, "ship")
    await process.work()
    process.die()
    heir = OperatorProcess(cluster, Identity("bridge-1", "site-1"))
    heir.world.registry = lambda: Executors(
        live=(Peer("bridge-1", "site-1", 10),),
        may_claim=True,
        may_be_alive=frozenset({"bridge-1"}),
        lease=timedelta(seconds=15),
    )
    cluster.calls.clear()

    await (await heir.start()).work()

    assert [call.verb for call in cluster.calls if call.verb != "get"] == []


@pytest.mark.parametrize("role", ["agent", "publish"])
async def test_what_ended_while_nobody_was_there_is_not_made_again(role: str) -> None:
    cluster = populated(ClusterModel(kubelet=Kubelet(Script())))
    process = await process_until_pod(cluster, role)
    await process.work()
    process.die()
    step_until_it_has_ended(cluster, role)
    cluster.calls.clear()
    heir = await OperatorProcess(cluster).start()
    for _ in range(MOST_STEPS):
        await heir.work()
        cluster.step()

    assert said(cluster, "Succeeded")["status"] == "True"
    assert ("create", f"{NAME}-1-{role}") not in [(call.verb, call.name) for call in cluster.calls]


@pytest.mark.parametrize("case", CASES)
async def test_nobody_asks_without_a_turn(case: str) -> None:
    process = await OperatorProcess(populated(ClusterModel())).start()
    of, _ = CASES[case]
    process.world.commands.items[KEY] = of
    take_all_turns(process)
    process.cluster.calls.clear()

    await process.one(KEY)

    assert process.cluster.calls == []


async def test_the_volume_of_one_that_is_let_go_is_asked_for_in_its_turn_as_well() -> None:
    process = await OperatorProcess(populated(ClusterModel())).start()
    of, roles = CASES["deleted"]
    process.world.commands.items[KEY] = of
    for role in roles:
        name = f"{NAME}-1-{role}"
        process.world.pods.items[NAMESPACE, name] = built_pod(name=name)
    take_all_turns(process)
    process.cluster.calls.clear()

    await process.one(KEY)

    assert process.cluster.calls == []


def take_all_turns(process: OperatorProcess) -> None:
    for sort in Sort:
        for number in range(AT_ONCE[sort]):
            assert process.reconciler.asking.may_ask((sort, str(number)), sort)
