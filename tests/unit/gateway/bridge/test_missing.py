"""Rows whose BugCommand is gone: found whatever fails meanwhile, and nothing else is taken for gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from bugcommand_operator.cluster.errors import ClusterError, NotFound
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.gateway.bridge import missing as missing_module
from bugcommand_operator.gateway.bridge.events import Events
from bugcommand_operator.gateway.bridge.missing import Missing
from bugcommand_operator.store.bridge_commands import BridgeCommands, Unfinished
from bugcommand_operator.store.errors import StoreUnavailable

IDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 5)]


class Rows:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    async def unfinished(self, after: str, limit: int) -> list[Unfinished]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        return [Unfinished(one, "team-a", f"bridge-{one}") for one in IDS if one > after][:limit]


class Objects:
    """`there` are found; the first look for one of `failing` fails."""

    def __init__(self, there: set[str], failing: set[str]) -> None:
        self.there, self.failing, self.asked = there, failing, list[str]()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        self.asked.append(name)
        if name in self.failing:
            self.failing.discard(name)
            raise ClusterError("away")
        if name not in self.there:
            raise NotFound("gone")
        return {}


@asynccontextmanager
async def looking(rows: Rows, objects: Objects, gone: set[str]) -> AsyncIterator[Missing]:
    events = Events(CollectorRegistry())
    found = Missing(cast(BridgeCommands, rows), events, cast(Kube, objects), None, lambda row: gone.add(row.command_id))
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()


async def until_gone(gone: set[str], wanted: set[str]) -> None:
    async with asyncio.timeout(10):
        while gone != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_module, "_PAUSES", (0.0,))


async def test_a_look_that_the_store_kept_from_happening_is_made_up_for() -> None:
    gone: set[str] = set()
    async with looking(Rows(failures=3), Objects(set(), set()), gone) as missing:
        missing.owe()
        await until_gone(gone, set(IDS))


async def test_a_row_that_cannot_be_looked_for_keeps_no_other_from_it_and_is_looked_for_again() -> None:
    gone: set[str] = set()
    objects = Objects(set(), {f"bridge-{IDS[0]}"})
    async with looking(Rows(), objects, gone) as missing:
        missing.owe()
        await until_gone(gone, set(IDS))
    assert objects.asked[:5] == [f"bridge-{one}" for one in [*IDS, IDS[0]]]


async def test_what_was_listed_needs_no_look_until_one_has_failed() -> None:
    gone: set[str] = set()
    there = {f"bridge-{one}" for one in IDS[:2]}
    objects = Objects(there, {f"bridge-{IDS[2]}"})
    async with looking(Rows(), objects, gone) as missing:
        missing.owe({("team-a", name) for name in there})
        await until_gone(gone, {IDS[2], IDS[3]})
    assert objects.asked[:4] == [f"bridge-{one}" for one in (IDS[2], IDS[3], IDS[0], IDS[1])]
