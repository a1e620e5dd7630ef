"""However many passes have something to ask, so many of a sort do it at a time; what hangs holds up no other sort."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, NOW, claimed, command, condition, working
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.kubelet import Kubelet, Script
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.asking import AT_ONCE, Asking, Key, Sort, sort_of

MOST = AT_ONCE[Sort.START]
MANY = 2 * MOST
DONE = condition(ConditionType.SUCCEEDED, "True", Reason.COMPLETED)
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
        self._passes: dict[Key, asyncio.Task[None]] = {}

    def add(self, prefix: str, *, claimed: bool = False, finished: bool = False, deleted: bool = False) -> list[str]:
        names = [f"{prefix}-{number:02d}" for number in range(MANY)]
        for number, name in enumerate(names):
            obj = bug_command(name, NAMESPACE, f"{prefix.encode().hex()}{number:02d}-0000-4000-8000-000000000000")
            if deleted:
                obj["metadata"]["finalizers"] = ["mentu.dev/keep-work"]
            self.cluster.create(obj)
            if finished:
                status = {"attempt": 1, "agent": "claude", "conditions": [DONE.to_dict()]}
                self.cluster.patch("BugCommand", NAMESPACE, name, {"status": status}, status=True)
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
        """One pass over a command at a time, as the queue has it."""
        for _ in range(turns):
            self._passes = {key: task for key, task in self._passes.items() if not task.done()}
            now = self.cluster.now
            for key in [key for key, at in self.process.due.items() if at <= now and key not in self._passes]:
                self._passes[key] = asyncio.create_task(self.process.one(key))
            await asyncio.sleep(0)
            self.process.reconciler.starting.wake(self.process.enqueue)

    async def end(self) -> None:
        for task in self._passes.values():
            task.cancel()
        await asyncio.gather(*self._passes.values(), return_exceptions=True)

    @property
    def passes_that_hang(self) -> int:
        return sum(not task.done() for task in self._passes.values())

    def waiting(self, sort: Sort) -> int:
        return self.process.reconciler.asking.waiting(sort)

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


async def test_of_those_that_are_told_why_they_wait_hardly_any_hold_a_worker() -> None:
    crowd = Crowd(limit=1)
    for prefix in ("a", "b", "c", "d"):
        crowd.add(prefix)
    kube = await crowd.executor("tell")
    await crowd.work()

    assert kube.under_way["tell"] == AT_ONCE[Sort.TELL]
    assert crowd.waiting(Sort.TELL) == 4 * MANY - 1 - AT_ONCE[Sort.TELL]
    assert crowd.passes_that_hang == AT_ONCE[Sort.TELL]
    kube.hangs = set()
    kube.may_answer.set()
    await crowd.work()
    assert not crowd.waiting(Sort.TELL)
    await crowd.end()


async def test_thousands_that_had_ended_and_are_deleted_hold_up_no_end() -> None:
    crowd = Crowd()
    crowd.add("old", finished=True, deleted=True)
    kube = await crowd.executor("get Pod")
    await crowd.work()
    assert kube.under_way["get Pod"] == crowd.passes_that_hang == AT_ONCE[Sort.LET_GO]
    ends = crowd.add("end", deleted=True)
    kube.hangs = set()
    await crowd.process.hear()
    await crowd.work()

    assert not crowd.of_kind("BugCommand") & set(ends)
    assert crowd.waiting(Sort.LET_GO) == MANY - AT_ONCE[Sort.LET_GO]
    await crowd.end()


async def test_who_waits_for_a_turn_and_is_asked_to_end_waits_for_it_no_longer() -> None:
    crowd = Crowd()
    names = crowd.add("new")
    kube = await crowd.executor("claim")
    await crowd.work()
    waiting = [name for name in names if crowd.process.reconciler.asking.waits((NAMESPACE, name))]
    assert len(waiting) == MOST
    crowd.cluster.patch("BugCommand", NAMESPACE, waiting[-1], {"spec": {"cancel": True}})
    await crowd.process.hear()
    await crowd.work()

    found = crowd.cluster.find("BugCommand", waiting[-1])
    assert found is not None
    assert (found["status"]["phase"], kube.under_way["claim"]) == ("Cancelled", MOST)
    await crowd.end()


async def test_who_turns_out_to_need_no_turn_stands_in_no_line_and_takes_no_room() -> None:
    crowd = Crowd()
    suspended = crowd.add("old")
    for name in suspended:
        crowd.cluster.patch("BugCommand", NAMESPACE, name, {"spec": {"suspend": True}})
    kube = await crowd.executor("claim")
    await crowd.work()
    crowd.add("new")
    await crowd.process.hear()
    await crowd.work()
    for name in suspended:
        crowd.process.enqueue((NAMESPACE, name))
    await crowd.work()

    assert (kube.under_way["claim"], crowd.waiting(Sort.CLAIM)) == (MOST, MANY - MOST)
    assert not {name for _, name in crowd.process.world.called} & set(suspended)
    await crowd.end()


async def test_who_waits_to_be_told_and_is_called_up_waits_for_that_no_longer() -> None:
    crowd = Crowd(limit=1)
    names = crowd.add("new")
    kube = await crowd.executor("tell")
    await crowd.work()
    (first,) = [o for o in crowd.cluster.of_kind("BugCommand") if "claim" in o.get("status", {})]
    second = next(name for name in names if crowd.process.reconciler.asking.waits((NAMESPACE, name)))
    crowd.cluster.patch("BugCommand", NAMESPACE, second, {"spec": {"priority": 1000}})
    await crowd.process.hear()
    await crowd.work()
    assert kube.under_way["tell"] == AT_ONCE[Sort.TELL]
    crowd.cluster.delete("BugCommand", NAMESPACE, first["metadata"]["name"])
    for _ in range(10):
        await crowd.lives_on()

    found = crowd.cluster.find("BugCommand", second)
    assert found is not None
    assert "claim" in found["status"]
    await crowd.end()


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
    process = await OperatorProcess(cluster, turns_at_once=dict.fromkeys(Sort, 1)).start()
    while not (pod := cluster.find("Pod", f"{NAME}-1-agent")) or pod["spec"].get("schedulingGates"):
        await process.work()
        cluster.step()
    assert process.reconciler.asking.may_ask(("another", "command"), Sort.REST)
    cluster.step()
    await process.work()
    assert process.reconciler.asking.waits((NAMESPACE, NAME))
    cluster.kubelet.script.image_is_missing = False
    for _ in range(20):
        cluster.step()
    await process.hear()
    cluster.now += 2 * LIMITS.start
    process.reconciler.asking.leave(("another", "command"))
    await process.work()

    found = cluster.find("BugCommand", NAME)
    assert found is not None
    assert found["status"]["phase"] == "Running"


SORTS: dict[str, tuple[Command, bool, Sort]] = {
    "one that is called up": (command(), True, Sort.CLAIM),
    "one that waits": (command(), False, Sort.TELL),
    "one that waits, and is cancelled": (command(cancel=True), False, Sort.END),
    "one that is claimed, and nothing more": (command(claimed()), False, Sort.START),
    "one that is to be cancelled before its start": (command(claimed(), cancel=True), False, Sort.END),
    "one with a pod": (command(working()), False, Sort.REST),
    "one with a pod that is to rest": (command(working(), suspend=True), False, Sort.END),
    "one that had ended and is deleted": (command(working(DONE), deleted_at=NOW), False, Sort.LET_GO),
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


class Line:
    """The turns of one sort after any number of steps; who is called comes when the test says so."""

    def __init__(self, most: int) -> None:
        self.called: list[Key] = []
        self.now = 0.0
        self.asking = Asking(self.called.append, dict.fromkeys(Sort, most), lambda: self.now)


KEYS = [("team-a", f"bug-{number}") for number in range(4)]
STEPS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([Sort.START, Sort.END, None])), max_size=60)


@given(STEPS, st.integers(1, 3))
def test_nobody_waits_where_there_is_room_and_who_has_waited_longest_is_called_first(
    steps: list[tuple[Key, Sort | None]], most: int
) -> None:
    line = Line(most)
    turns: dict[Sort, list[Key]] = {sort: [] for sort in Sort}
    lines: dict[Sort, list[Key]] = {sort: [] for sort in Sort}

    def leave(key: Key) -> None:
        for sort in Sort:
            lines[sort] = [other for other in lines[sort] if other != key]
            if key in turns[sort]:
                turns[sort].remove(key)
                turns[sort] += (called := lines[sort][:1])
                del lines[sort][:1]
                expected.extend(called)

    expected: list[Key] = []
    for key, sort in steps:
        if sort is None:
            leave(key)
            line.asking.leave(key)
        else:
            if key not in turns[sort] + lines[sort]:
                leave(key)
                (turns if len(turns[sort]) < most else lines)[sort].append(key)
            assert line.asking.may_ask(key, sort) == (key in turns[sort])
        assert line.called == expected
        assert [line.asking.waiting(s) for s in Sort] == [len(lines[s]) for s in Sort]
        assert [line.asking.waits(k) for k in KEYS] == [any(k in lines[s] for s in Sort) for k in KEYS]


def test_it_is_known_for_how_long_somebody_has_waited_the_line_included() -> None:
    line = Line(1)
    assert line.asking.oldest_seconds == 0
    for at, key in enumerate(KEYS):
        line.now = 2.0 * at
        line.asking.may_ask(key, Sort.START)
    line.asking.leave(KEYS[0])
    line.asking.may_ask(KEYS[1], Sort.START)
    line.now = 10

    assert (line.asking.oldest_seconds, len(line.asking)) == (8, 2)


def test_who_is_told_why_it_waits_is_not_waited_for() -> None:
    line = Line(1)
    line.asking.may_ask(KEYS[0], Sort.TELL)
    line.asking.may_ask(KEYS[1], Sort.TELL)
    line.now = 100

    assert line.asking.oldest_seconds == 0
