"""An executor of another machine, with a registry of its own, beside the one that a command is for: it knows of nobody
who could take the command, and must not be in the way of the one that does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, UID
from tests.support.cluster_model import ClusterModel, bug_command, copied
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.policies.share import ONLOOKING
from bugcommand_operator.core.settings import Identity

KEY = (NAMESPACE, NAME)
THERE = Identity("bridge-there", "site-2")
Raw = dict[str, Any]


def alone(identity: Identity, **fields: Any) -> Executors:
    """As a registry shows it in which it is the only one."""
    peer = Peer(identity.executor, identity.machine, 4)
    return Executors(live=(peer,), **{"may_be_alive": frozenset({identity.executor}), **fields})


async def process_of(cluster: ClusterModel, identity: Identity, **fields: Any) -> OperatorProcess:
    process = OperatorProcess(cluster, identity)
    known = alone(identity, **fields)
    process.world.registry = lambda: known
    return await process.start()


@pytest.fixture
def cluster() -> ClusterModel:
    return populated(ClusterModel(), [bug_command(NAME, NAMESPACE, UID, targetMachine=ME.machine)])


def shown(cluster: ClusterModel) -> Raw:
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    return dict(found.get("status") or {})


def ready(cluster: ClusterModel) -> str:
    return next((c["reason"] for c in shown(cluster).get("conditions", ()) if c["type"] == "Ready"), "")


def edited(cluster: ClusterModel, **spec: Any) -> None:
    found = cluster.find("BugCommand", NAME)
    assert found is not None
    changed = copied(found)
    changed["spec"].update(spec)
    cluster.put(changed)


async def both(cluster: ClusterModel) -> tuple[OperatorProcess, OperatorProcess]:
    return await process_of(cluster, ME), await process_of(cluster, THERE)


async def test_an_onlooker_that_is_faster_is_not_in_the_way_of_the_claim(cluster: ClusterModel) -> None:
    own, onlooker = await both(cluster)
    await onlooker.work()
    assert shown(cluster) == {}
    await own.reconciler.reconcile(KEY)  # as it saw the command when it was made

    assert shown(cluster)["claim"]["executor"] == ME.executor
    assert onlooker.told.events == []
    assert onlooker.errors == []


async def test_when_nobody_takes_it_for_a_while_the_onlooker_says_so_once(cluster: ClusterModel) -> None:
    onlooker = await process_of(cluster, THERE)
    for _ in range(5):
        await onlooker.work()
        cluster.step(ONLOOKING.total_seconds() / 2)

    assert ready(cluster) == "WaitingForMachine"
    assert [e.reason for e in onlooker.told.events] == ["WaitingForMachine"]


async def test_what_happens_to_it_meanwhile_begins_the_while_anew(cluster: ClusterModel) -> None:
    """Resumed after an hour, it is as fresh as a new one for those who may take it."""
    edited(cluster, suspend=True)
    own, onlooker = await both(cluster)
    for _ in range(3):
        await own.work()
        await onlooker.work()
        cluster.step(ONLOOKING.total_seconds())
    assert ready(cluster) == "Suspended"

    edited(cluster, suspend=False)
    await onlooker.work()
    assert ready(cluster) == "Suspended"
    await own.work()
    assert shown(cluster)["claim"]["executor"] == ME.executor


async def test_a_repository_that_comes_late_begins_the_while_anew_as_well(cluster: ClusterModel) -> None:
    shop = copied(cluster.find("Repository", "shop") or {})
    cluster._remove(shop)
    own, onlooker = await both(cluster)
    for _ in range(3):
        await own.work()
        await onlooker.work()
        cluster.step(ONLOOKING.total_seconds())
    assert ready(cluster) == "RepositoryNotFound"

    cluster.create(shop)
    await onlooker.work()
    assert ready(cluster) == "RepositoryNotFound"
    await own.work()
    assert shown(cluster)["claim"]["executor"] == ME.executor


async def test_a_place_in_the_queue_of_its_machine_is_not_spoken_over() -> None:
    """Each would correct the other for ever."""
    uid = "ffffffff-58c1-4d0b-9a83-0c7a3a1f0a02"
    cluster = populated(ClusterModel(), [bug_command("first", NAMESPACE, uid, targetMachine=ME.machine)])
    own, onlooker = OperatorProcess(cluster, ME, replace(LIMITS, executor=1)), await process_of(cluster, THERE)
    await (await own.start()).work()
    cluster.create(bug_command(NAME, NAMESPACE, UID, targetMachine=ME.machine))
    await own.work()
    assert ready(cluster) == "ConcurrencyLimitReached"
    for _ in range(4):
        await onlooker.work()
        cluster.now += ONLOOKING

    assert ready(cluster) == "ConcurrencyLimitReached"
    assert onlooker.told.events == []


async def test_one_whose_registry_is_not_sure_yet_says_nothing(cluster: ClusterModel) -> None:
    onlooker = await process_of(cluster, THERE, may_be_alive=None)
    for _ in range(5):
        await onlooker.work()
        cluster.step(ONLOOKING.total_seconds())

    assert shown(cluster) == {}


async def test_one_without_a_registry_is_as_patient(cluster: ClusterModel) -> None:
    onlooker = await OperatorProcess(cluster, THERE).start()
    await onlooker.work()
    assert shown(cluster) == {}
    cluster.step(ONLOOKING.total_seconds())
    await onlooker.work()

    assert ready(cluster) == "WaitingForMachine"
