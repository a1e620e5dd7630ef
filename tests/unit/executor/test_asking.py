"""However many passes have something to ask, so many of a sort do it at a time; what hangs holds up no other sort."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, NOW, claimed, command, condition, working
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.kubelet import Kubelet, Script
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.asking import AT_ONCE, MOST_TELLS_WAITING, Asking, Sort, sort_of

MOST = AT_ONCE[Sort.START]
MANY = 2 * MOST
CLAIM = {"executor": ME.executor, "machine": ME.machine, "epoch": 1, "at": NOW.isoformat()}


class Hanging(FakeKube):
    """Does not answer what hangs until it may."""

    def __init__(self, cluster: ClusterModel) -> None:
        super().__init__(cluster)
        self.may_answer = asyncio.Event()
        self.under_way: Counter[str] = Counter()
        self.hangs: set[str] = set()

    async def _until_answered(self, what: str) -> None:
        if what in self.hangs:
            self.under_way[what] += 1
            await self.may_answer.wait()

    async def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any]:
        await self._until_answered(f"get {kind}")
        return await super().get(kind, namespace, name)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._until_answered(f"create {manifest['kind']}")
        return await super().create(manifest)

    async def patch(
        self, kind: str, namespace: str, name: str, body: dict[str, Any], *, status: bool = False
    ) -> dict[str, Any]:
        written = body.get("status", {})
        await self._until_answered("claim" if "claim" in written else "tell" if "queuePosition" in written else "")
        return await super().patch(kind, namespace, name, body, status=status)


class Crowd:
    """Commands, and an executor in which every pass goes on for as long as it may."""

    def __init__(self, limit: int = 10 * MANY) -> None:
        self.cluster = populated(ClusterModel(), [])
        self.limit = limit
        self.let_through: list[str] = []
        self._passes: list[asyncio.Task[None]] = []

    def add(self, prefix: str, *, claimed: bool = False, deleted: bool = False) -> list[str]:
        names = [f"{prefix}-{number:02d}" for number in range(MANY)]
        for number, name in enumerate(names):
            obj = bug_command(name, NAMESPACE, f"{prefix.encode().hex()}{number:02d}-0000-4000-8000-000000000000")
            if deleted:
                obj["metadata"]["finalizers"] = ["mentu.dev/keep-work"]
            self.cluster.create(obj)
            if claimed:
                status = {"claim": CLAIM, "attempt": 1, "agent": "claude", "volumeName": f"{name}-worktree"}
                self.cluster.patch("BugCommand", NAMESPACE, name, {"status": status}, status=True)
            if deleted:
                self.cluster.delete("BugCommand", NAMESPACE, name)
        return names

    async def executor(self, *hangs: str) -> Hanging:
        async def confirm(observed: Command) -> None:
            self.let_through.append(observed.name)

        limits = replace(LIMITS, executor=self.limit)
        self.process = await OperatorProcess(self.cluster, limits=limits, kube_of=Hanging, confirm=confirm).start()
        kube = self.process.kube
        assert isinstance(kube, Hanging)
        kube.hangs = set(hangs)
        return kube

    async def lives_on(self) -> None:
        self.cluster.step()
        await self.process.hear()
        await self.work(100)

    async def work(self, turns: int = 20 * MANY) -> None:
        for _ in range(turns):
            self._passes += [asyncio.create_task(self.process.one(key)) for key in list(self.process.due)]
            await asyncio.sleep(0)
            self.process.reconciler.starting.wake(self.process.enqueue)

    async def end(self) -> None:
        for task in self._passes:
            task.cancel()
        await asyncio.gather(*self._passes, return_exceptions=True)

    def of_kind(self, kind: str) -> set[str]:
        return {obj["metadata"]["name"] for obj in self.cluster.of_kind(kind)}


async def test_only_so_many_ask_at_once_and_none_was_let_through_before_its_turn() -> None:
    crowd = Crowd()
    names = crowd.add("bug", claimed=True)
    kube = await crowd.executor("create Pod")
    await crowd.work()

    assert (kube.under_way["create Pod"], len(crowd.let_through)) == (MOST, MOST)
    kube.may_answer.set()
    await crowd.work()
    assert set(crowd.let_through) == set(names)
    await crowd.end()


async def test_questions_have_their_turn_as_well() -> None:
    crowd = Crowd()
    crowd.add("bug", claimed=True, deleted=True)
    kube = await crowd.executor("get Pod")
    await crowd.work()

    assert kube.under_way["get Pod"] == AT_ONCE[Sort.END]
    await crowd.end()


async def test_claims_that_hang_hold_up_neither_starts_nor_ends() -> None:
    crowd = Crowd()
    crowd.add("new")
    starts, ends = crowd.add("old", claimed=True), crowd.add("end", claimed=True, deleted=True)
    kube = await crowd.executor("claim")
    await crowd.work()
    assert crowd.of_kind("Pod") == set(), "claims come first for a while"
    crowd.cluster.now += timedelta(minutes=1)
    await crowd.work()

    assert kube.under_way["claim"] == MOST
    assert {f"{name}-1-agent" for name in starts} <= crowd.of_kind("Pod")
    assert not crowd.of_kind("BugCommand") & set(ends)
    await crowd.end()


async def test_starts_that_hang_hold_up_neither_claims_nor_ends() -> None:
    crowd = Crowd()
    new, ends = crowd.add("new"), crowd.add("end", claimed=True, deleted=True)
    crowd.add("old", claimed=True)
    await crowd.executor("create Pod")
    await crowd.work()

    taken = {o["metadata"]["name"] for o in crowd.cluster.of_kind("BugCommand") if "claim" in o.get("status", {})}
    assert set(new) <= taken
    assert not crowd.of_kind("BugCommand") & set(ends)
    await crowd.end()


async def test_publishing_that_hangs_holds_up_no_end() -> None:
    crowd = Crowd()
    crowd.add("old", claimed=True)
    kube = await crowd.executor()
    await crowd.work()
    assert len(crowd.of_kind("Pod")) == MANY
    kube.hangs = {"create Pod"}
    for _ in range(15):
        await crowd.lives_on()
    ends = crowd.add("end", claimed=True, deleted=True)
    for _ in range(5):
        await crowd.lives_on()

    assert kube.under_way["create Pod"] == AT_ONCE[Sort.REST]
    assert not crowd.of_kind("BugCommand") & set(ends)
    await crowd.end()


async def test_however_many_are_told_why_they_wait_hardly_any_hold_a_worker() -> None:
    crowd = Crowd(limit=1)
    for prefix in ("a", "b", "c", "d"):
        crowd.add(prefix)
    kube = await crowd.executor("tell")
    await crowd.work()

    assert kube.under_way["tell"] == AT_ONCE[Sort.TELL]
    assert crowd.process.reconciler.asking.waiting[Sort.TELL] == MOST_TELLS_WAITING
    assert all(at > crowd.cluster.now for at in crowd.process.due.values())
    await crowd.end()
    assert not any(crowd.process.reconciler.asking.waiting.values())


async def test_what_has_waited_for_its_turn_is_decided_anew() -> None:
    """A claim says when it was made, not when it would have been."""
    crowd = Crowd()
    names = crowd.add("new")
    kube = await crowd.executor("claim")
    await crowd.work()
    later = NOW + timedelta(seconds=7)
    crowd.cluster.now = later
    kube.hangs = set()
    kube.may_answer.set()
    await crowd.work()

    claims = [o["status"]["claim"]["at"] for o in crowd.cluster.of_kind("BugCommand") if o["metadata"]["name"] in names]
    assert Counter(datetime.fromisoformat(at) == later for at in claims) == {True: MOST, False: MOST}
    await crowd.end()


async def test_what_was_seen_before_the_wait_ends_nothing_that_has_gone_on_since() -> None:
    """An image that was missing is there, and the agent works, when the pass that saw it missing has its turn."""
    cluster = populated(ClusterModel(kubelet=Kubelet(Script(image_is_missing=True, agent_steps=-1))))
    process = await OperatorProcess(cluster).start()
    process.reconciler.asking = asking = Asking(dict.fromkeys(Sort, 1))
    while not (pod := cluster.find("Pod", f"{NAME}-1-agent")) or pod["spec"].get("schedulingGates"):
        await process.work()
        cluster.step()
    async with asking.turn(Sort.REST):
        cluster.step()
        await process.hear()
        waiting = asyncio.create_task(process.one((NAMESPACE, NAME)))
        await asyncio.sleep(0)
        assert asking.waiting[Sort.REST] == 1
        cluster.kubelet.script.image_is_missing = False
        for _ in range(20):
            cluster.step()
        await process.hear()
        cluster.now += 2 * LIMITS.start
    await waiting

    found = cluster.find("BugCommand", NAME)
    assert found is not None
    assert found["status"]["phase"] == "Running"


DONE = condition(ConditionType.SUCCEEDED, "True", Reason.COMPLETED)
SORTS: dict[str, tuple[Command, bool, Sort]] = {
    "one that is called up": (command(), True, Sort.CLAIM),
    "one that waits": (command(), False, Sort.TELL),
    "one that waits, and is cancelled": (command(cancel=True), False, Sort.END),
    "one that is claimed, and nothing more": (command(claimed()), False, Sort.START),
    "one that is to be cancelled before its start": (command(claimed(), cancel=True), False, Sort.END),
    "one with a pod": (command(working()), False, Sort.REST),
    "one with a pod that is to rest": (command(working(), suspend=True), False, Sort.END),
    "one that is deleted": (command(working(), deleted_at=NOW), False, Sort.END),
    "one that has ended": (command(working(DONE)), False, Sort.REST),
    "one that was cancelled and has ended": (command(working(DONE), cancel=True), False, Sort.REST),
}


@pytest.mark.parametrize("name", SORTS)
def test_what_waits_with_whom(name: str) -> None:
    of, is_called, sort = SORTS[name]
    assert sort_of(of, is_called) == sort


def test_all_of_them_leave_the_lease_its_connection() -> None:
    connections = 100
    assert sum(AT_ONCE.values()) + 2 * AT_ONCE[Sort.START] < connections - 10
