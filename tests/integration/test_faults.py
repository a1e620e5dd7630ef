"""A real API server behind a proxy that denies, drops, holds and forgets: what executors leave on it is the same.

Executors are processes of their own and see the proxy alone; the tests, and what pretends to be a kubelet, go past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dev.chaos.kubeconfig import upstream_of
from dev.chaos.proxy import Answer, ApiProxy, Asked, Drop, Fault, Hold, LoseAnswer
from tests.integration.api import Api, Raw, condition
from tests.integration.etcd import FullEtcd
from tests.integration.executors import MACHINE, ExecutorProcess
from tests.integration.kubelets import PretendedKubelet

from bugcommand_operator.cluster.errors import ClusterUnavailable

BUGS = 8
INACTIVITY = 3
START_DEADLINE = 20
PATIENCE = 240.0
"""About ten passes of a command fail one after the other, and each time it waits twice as long."""
AT_ONCE = 8.0
"""Seconds within which something that a watch has shown is done; a stalled one is not waited for so long."""


@pytest.fixture
async def proxy() -> AsyncIterator[ApiProxy]:
    async with ApiProxy(await upstream_of(os.environ.get("KUBECONFIG", ""))) as running:
        yield running


class Place:
    """Executors behind the proxy, a kubelet past it, and commands that need no pod of ours to run."""

    def __init__(self, api: Api, proxy: ApiProxy, folder: Path) -> None:
        self.api, self.proxy = api, proxy
        self.kubelet = PretendedKubelet(api)
        self._folder = folder
        self._kubeconfig = proxy.kubeconfig(folder)
        self._executors: list[ExecutorProcess] = []

    async def executor(self, name: str = "bridge-0", **more: str) -> ExecutorProcess:
        env = {"KUBECONFIG": self._kubeconfig, "MENTU_WATCH_INACTIVITY_SECONDS": str(INACTIVITY)}
        executor = ExecutorProcess(self._folder, self.api.namespace, name, **env, **more)
        self._executors.append(executor)
        await executor.start()
        return executor

    async def bugs(self, first: int = 0, last: int = BUGS) -> None:
        target = {"targetMachine": MACHINE, "podTemplate": {"nodeSelector": {"mentu.dev/test": "nowhere"}}}
        spec = {"prompt": "Fix it.", "repository": {"name": "shop"}, "output": "None", **target}
        await asyncio.gather(*(self.api.make("BugCommand", f"bug-{n}", spec) for n in range(first, last)))

    async def all_succeed(self, seconds: float = 90) -> None:
        """And the oracle: each claimed once, in one pod, with one volume."""
        bugs = await self.api.until_all("BugCommand", _have_succeeded, seconds)
        assert {(b["status"]["claim"]["epoch"], b["status"]["attempt"]) for b in bugs} == {(1, 1)}
        names = [b["metadata"]["name"] for b in bugs]
        assert self.kubelet.seen == Counter(f"{name}-1-agent" for name in names)
        volumes = [v["metadata"]["name"] for v in await self.api.all("PersistentVolumeClaim")]
        assert sorted(v for v in volumes if v.endswith("-worktree")) == sorted(f"{name}-worktree" for name in names)

    async def __aenter__(self) -> Place:
        await self.api.make("Repository", "shop", {"url": "https://git.example.com/shop.git"})
        await self.api.make("Agent", "claude", {})
        self._kubelet = asyncio.create_task(self.kubelet.run())
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._kubelet.cancel()
        await asyncio.gather(self._kubelet, return_exceptions=True)
        for executor in self._executors:
            with contextlib.suppress(ProcessLookupError):
                executor.go_on()
            await executor.kill()


@pytest.fixture
async def place(api: Api, proxy: ApiProxy, tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(api, proxy, tmp_path) as here:
        yield here


def _have_succeeded(bugs: list[Raw]) -> bool:
    return bool(bugs) and all(condition(b, "Succeeded").get("status") == "True" for b in bugs)


def _have_pods(bugs: list[Raw]) -> bool:
    return len(bugs) == BUGS and all(b.get("status", {}).get("podName") for b in bugs)


class EachWrite:
    """The first times of each write, by verb, path and what of it; then it goes well."""

    def __init__(self, times: int, *faults: Fault) -> None:
        self._times, self._next = times, itertools.cycle(faults)
        self.done: Counter[Any] = Counter()

    def __call__(self, asked: Asked) -> Fault | None:
        key = (asked.verb, asked.path, asked.body if asked.verb == "POST" else b"")
        if not asked.writes or self.done[key] >= self._times:
            return None
        self.done[key] += 1
        return next(self._next)


async def test_every_write_is_denied_twice(place: Place) -> None:
    denials = (Answer(409, "Conflict"), Answer(429, "TooManyRequests"), Answer(500), Answer(503), Drop())
    place.proxy.faults = EachWrite(2, *denials)
    await place.bugs()
    await place.executor()

    await place.all_succeed(PATIENCE)
    assert len(place.proxy.faults.done) >= BUGS * len(("finalizer and gate", "status", "pod", "volume"))


@contextlib.asynccontextmanager
async def _etcd_is_full(place: Place) -> AsyncIterator[None]:
    """The real one, where it is the development cluster's; elsewhere the proxy says what an API server says then."""
    if await FullEtcd.is_of((await upstream_of(os.environ.get("KUBECONFIG", ""))).url):
        async with FullEtcd():
            with pytest.raises(ClusterUnavailable, match="database space exceeded"):
                await place.api.make("Agent", "another", {})
            yield
        return
    place.proxy.faults = lambda asked: Answer(500) if asked.writes else None
    yield
    place.proxy.faults = lambda _asked: None


async def test_an_etcd_that_is_full_delays_and_doubles_nothing(place: Place) -> None:
    place.kubelet.ends = False
    await place.bugs(last=BUGS // 2)
    executor = await place.executor()
    await place.api.until_all("BugCommand", lambda bugs: all(b.get("status", {}).get("podName") for b in bugs))
    executor.pause()
    await place.bugs(BUGS // 2)
    async with _etcd_is_full(place):
        before = len(place.proxy.asked)
        executor.go_on()
        await _until(lambda: sum(a.writes for a in place.proxy.asked[before:]) >= BUGS)
        assert all(not b.get("status", {}).get("podName") for b in (await place.api.all("BugCommand"))[BUGS // 2 :])
    place.kubelet.ends = True

    await place.all_succeed(PATIENCE)


async def test_every_write_is_done_and_its_answer_lost(place: Place) -> None:
    place.proxy.faults = EachWrite(1, LoseAnswer())
    await place.bugs()
    await place.executor()

    await place.all_succeed()


async def test_an_api_server_that_is_away_for_five_seconds_in_the_middle_delays_and_doubles_nothing(
    place: Place,
) -> None:
    place.kubelet.ends = False
    await place.bugs()
    await place.executor()
    await place.api.until_all("BugCommand", lambda bugs: any(b.get("status", {}).get("podName") for b in bugs))
    place.proxy.is_away = True
    place.proxy.cut_watches()
    await asyncio.sleep(5)
    place.kubelet.ends = True
    place.proxy.is_away = False

    await place.all_succeed()


async def test_an_outage_longer_than_an_agent_may_take_to_start_ends_none_that_had_not_started(place: Place) -> None:
    """Nobody got on meanwhile, kubelets neither: their time begins anew."""
    place.kubelet.starts = False
    await place.bugs()
    await place.executor(MENTU_START_DEADLINE_SECONDS=str(START_DEADLINE))
    await place.api.until_all("BugCommand", _have_pods)
    place.proxy.is_away = True
    place.proxy.cut_watches()
    await asyncio.sleep(START_DEADLINE + 5)
    place.proxy.is_away = False
    await place.bugs(BUGS, BUGS + 1)
    await place.api.until("BugCommand", f"bug-{BUGS}", lambda b: bool(b.get("status", {}).get("podName")))
    place.kubelet.starts = True

    await place.all_succeed()


async def test_a_watch_that_is_cut_or_expired_goes_on_and_misses_nothing(place: Place) -> None:
    await place.executor()
    await place.bugs(0, BUGS // 2)
    await place.api.until_all("BugCommand", lambda bugs: any(b.get("status", {}).get("claim") for b in bugs))
    place.proxy.expire_watches()
    await place.bugs(BUGS // 2, BUGS)
    place.proxy.cut_watches()

    await place.all_succeed()


async def test_a_watch_that_stalls_silently_is_given_up_and_what_it_did_not_show_is_found(place: Place) -> None:
    await place.executor()
    await place.bugs(0, 1)
    await place.api.until("BugCommand", "bug-0", lambda b: bool(b.get("status", {}).get("claim")))
    place.proxy.stall_watches()
    await place.bugs(1, 3)

    await place.api.until_all("BugCommand", _have_claims, INACTIVITY + AT_ONCE)
    await place.all_succeed()


def _have_claims(bugs: list[Raw]) -> bool:
    return all(b.get("status", {}).get("claim") for b in bugs)


async def test_watches_that_are_late_delay_and_double_nothing(place: Place) -> None:
    place.proxy.lag_seconds = 1.0
    await place.executor()
    await place.bugs(0, 3)

    await place.all_succeed()


async def test_rights_that_are_revoked_are_not_asked_for_in_a_hot_loop_and_work_goes_on_when_they_are_back(
    place: Place,
) -> None:
    def revoked(asked: Asked) -> Fault | None:
        return Answer(403, "Forbidden") if asked.writes else None

    place.proxy.faults = revoked
    await place.bugs()
    await place.executor()
    await _until(lambda: sum(a.writes for a in place.proxy.asked) >= BUGS)
    await asyncio.sleep(5)
    writes = sum(asked.writes for asked in place.proxy.asked)
    assert writes <= 12 * BUGS, "each command's back-off doubles: about eight tries in the first five seconds"
    place.proxy.faults = lambda _asked: None

    await place.all_succeed()


async def test_a_claim_that_was_held_up_on_its_way_loses_to_the_one_that_came_meanwhile(place: Place) -> None:
    """What a stopped process had sent arrives when another has long gone on: it changes nothing."""
    arrives, held = asyncio.Event(), 0

    def first_claims(asked: Asked) -> Fault | None:
        nonlocal held
        if asked.verb == "PATCH" and b'"bridge-slow"' in asked.body and b'"claim"' in asked.body:
            held += 1
            return Hold(arrives)
        return None

    place.proxy.faults = first_claims
    place.kubelet.ends = False
    await place.bugs()
    await place.executor("bridge-slow")
    await _until(lambda: held > 0)
    await place.executor("bridge-fast")
    await place.api.until_all("BugCommand", _have_pods)
    arrives.set()
    place.kubelet.ends = True

    await place.all_succeed()
    bugs = await place.api.all("BugCommand")
    assert {b["status"]["claim"]["executor"] for b in bugs} == {"bridge-fast"}


async def test_a_stopped_executor_that_goes_on_with_an_old_view_changes_nothing_that_was_decided_meanwhile(
    place: Place,
) -> None:
    place.kubelet.ends = False
    stopped = await place.executor()
    await place.bugs()
    await place.api.until_all("BugCommand", lambda bugs: any(b.get("status", {}).get("claim") for b in bugs))
    stopped.pause()
    for bug in await place.api.all("BugCommand"):
        await place.api.patch("BugCommand", bug["metadata"]["name"], {"spec": {"cancel": True}})
    stopped.go_on()

    await place.api.until_all("BugCommand", _have_been_cancelled, 60)
    assert all(count == 1 for count in place.kubelet.seen.values())


def _have_been_cancelled(bugs: list[Raw]) -> bool:
    return all(b.get("status", {}).get("phase") == "Cancelled" for b in bugs)


async def _until(holds: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.05)
