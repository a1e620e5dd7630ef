"""Executors beside each other on a real API server: fair shares, takeover from one that died or was stopped, solo."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.api import Api, Raw, condition
from tests.integration.executors import ExecutorProcess
from tests.integration.test_executor import bug, definitions

COMMANDS = 60
LEAST = 6
"""Of 60 among three, four standard deviations below 20. Above, what one is too slow for the others may take."""
LEASE = 5
AT_MOST = 240
"""Seconds for anything that is waited for: several processes start here, perhaps on a busy machine."""


class Fleet:
    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.all: list[ExecutorProcess] = []

    def executor(self, name: str, **env: str) -> ExecutorProcess:
        registry = {"MENTU_REGISTRY_NAMESPACE": self.api.namespace, "MENTU_LEASE_SECONDS": str(LEASE)}
        self.all.append(ExecutorProcess(self.folder, self.api.namespace, name, **registry, **env))
        return self.all[-1]

    async def started(self, *names: str) -> list[ExecutorProcess]:
        """All are registered, and each has seen the others."""
        executors = [self.executor(name) for name in names]
        await asyncio.gather(*(executor.start() for executor in executors))
        await self.api.until_all("Executor", lambda found: len(found) == len(names), AT_MOST)
        for name in names:
            await self.renewed(name)
        return executors

    async def renewed(self, name: str, times: int = 2) -> None:
        for _ in range(times):
            before = _renewal(await self.api.get("Lease", name))
            await self.api.until("Lease", name, lambda lease, old=before: _renewal(lease) != old, AT_MOST)  # type: ignore[misc]

    async def end(self) -> None:
        await asyncio.gather(*(executor.kill() for executor in self.all))


@pytest.fixture
def fleet(api: Api, tmp_path: Path) -> Fleet:
    return Fleet(api, tmp_path)


def _renewal(lease: Raw) -> str:
    return str(lease["spec"].get("renewTime"))


def _holders(bugs: list[Raw]) -> Counter[str]:
    return Counter(b["status"]["claim"]["executor"] for b in bugs if b.get("status", {}).get("claim"))


def _epochs(bugs: list[Raw]) -> set[int]:
    return {b["status"]["claim"]["epoch"] for b in bugs}


async def _prepared(api: Api, count: int) -> list[Raw]:
    await definitions(api)
    await asyncio.gather(*(api.make("BugCommand", f"bug-{n}", bug()) for n in range(count)))
    return await api.until_all(
        "BugCommand", lambda bugs: len(bugs) == count and all(b.get("status", {}).get("podName") for b in bugs), AT_MOST
    )


async def test_three_executors_share_sixty_commands_and_claim_each_once(api: Api, fleet: Fleet) -> None:
    names = [f"bridge-{n}" for n in range(3)]
    try:
        await fleet.started(*names)
        bugs = await _prepared(api, COMMANDS)
        pods = await api.all("Pod")
    finally:
        await fleet.end()

    assert _epochs(bugs) == {1}
    assert {b["status"]["attempt"] for b in bugs} == {1}
    shares = _holders(bugs)
    assert set(shares) == set(names)
    assert min(shares.values()) >= LEAST, shares
    assert len({pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods}) == len(pods) == COMMANDS


async def test_what_a_killed_executor_had_is_taken_over_and_its_entry_goes(api: Api, fleet: Fleet) -> None:
    try:
        first, *_ = await fleet.started("bridge-0", "bridge-1", "bridge-2")
        before = await _prepared(api, 12)
        pods = {p["metadata"]["uid"] for p in await api.all("Pod")}
        had = {b["metadata"]["name"] for b in before if b["status"]["claim"]["executor"] == "bridge-0"}
        assert had
        await first.kill()
        after = await api.until_all("BugCommand", lambda bugs: "bridge-0" not in _holders(bugs), AT_MOST)
        await api.until_all("Executor", lambda found: len(found) == 2, AT_MOST)
    finally:
        await fleet.end()

    assert {b["metadata"]["name"]: b["status"]["claim"]["epoch"] for b in after} == {
        b["metadata"]["name"]: 2 if b["metadata"]["name"] in had else 1 for b in before
    }
    assert {b["status"]["attempt"] for b in after} == {1}
    assert {p["metadata"]["uid"] for p in await api.all("Pod")} == pods


async def test_one_that_was_stopped_and_goes_on_leaves_alone_what_was_taken_over(api: Api, fleet: Fleet) -> None:
    try:
        first, _ = await fleet.started("bridge-0", "bridge-1")
        before = await _prepared(api, 8)
        had = {b["metadata"]["name"] for b in before if b["status"]["claim"]["executor"] == "bridge-0"}
        first.pause()
        await api.until_all("BugCommand", lambda bugs: set(_holders(bugs)) == {"bridge-1"}, AT_MOST)
        for name in had:  # so that there is something to do for whoever thinks that they are its own
            await api.patch("BugCommand", name, {"spec": {"cancel": True}})
        first.go_on()
        await fleet.renewed("bridge-0", 3)
        ended = await api.until_all(
            "BugCommand",
            lambda bugs: {b["metadata"]["name"] for b in bugs if b["status"]["phase"] == "Cancelled"} == had,
            AT_MOST,
        )
    finally:
        await fleet.end()

    assert had
    assert set(_holders(ended)) == {"bridge-1"}
    assert all(b["status"]["claim"]["epoch"] == 2 for b in ended if b["metadata"]["name"] in had)


async def test_a_second_process_of_an_id_and_a_solo_one_refuse_while_another_lives(api: Api, fleet: Fleet) -> None:
    try:
        await fleet.started("bridge-0")
        twin, solo = fleet.executor("bridge-0"), fleet.executor("bridge-solo", MENTU_SOLO="true")
        await asyncio.gather(twin.start(), solo.start())
        codes = await asyncio.gather(twin.exit_code(AT_MOST), solo.exit_code(AT_MOST))
        entries = await api.all("Executor")
    finally:
        await fleet.end()

    assert tuple(codes) == (75, 75)
    assert "bridge-0 is alive already" in twin.log
    assert "without --solo" in solo.log
    assert [e["metadata"]["name"] for e in entries] == ["bridge-0"]


async def test_a_command_for_a_machine_of_which_none_is_alive_says_so_until_one_comes(api: Api, fleet: Fleet) -> None:
    await definitions(api)
    try:
        await fleet.started("bridge-0")
        await api.make("BugCommand", "far", bug(targetMachine="far"))
        message = "Waits for an executor of machine 'far': none is alive."
        await api.until("BugCommand", "far", lambda b: condition(b, "Ready").get("message") == message, AT_MOST)
        await fleet.executor("bridge-far", MENTU_MACHINE_ID="far").start()
        claimed = await api.until("BugCommand", "far", lambda b: bool(b["status"].get("claim")), AT_MOST)
    finally:
        await fleet.end()

    assert claimed["status"]["claim"]["executor"] == "bridge-far"
