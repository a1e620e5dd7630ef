"""A question that anyone may ask costs one look at the store a second, however many ask."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.unit.store.builders import url_of

from bugcommand_operator.gateway import readiness
from bugcommand_operator.gateway.readiness import Readiness


class Looks:
    """Stands for the look at the database, which takes as long as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.go, self.migrated = 0, asyncio.Event(), True
        self.go.set()
        monkeypatch.setattr(readiness, "is_migrated", self)

    async def __call__(self, _engine: object) -> bool:
        self.count += 1
        await self.go.wait()
        return self.migrated


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_thousand_who_ask_at_once_share_one_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks, clock = Looks(monkeypatch), Clock()
    looks.go.clear()
    ready = Readiness(create_async_engine(url_of(tmp_path / "db")), migrate=False, clock=clock)

    asking = [asyncio.create_task(ready.problem()) for _ in range(1000)]
    await asyncio.sleep(0)
    asking[0].cancel()  # who goes away does not take the answer with it
    looks.go.set()

    assert set(await asyncio.gather(*asking[1:])) == {None}
    assert looks.count == 1


async def test_an_answer_holds_for_a_second_and_no_longer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks, clock = Looks(monkeypatch), Clock()
    ready = Readiness(create_async_engine(url_of(tmp_path / "db")), migrate=False, clock=clock)
    assert await ready.problem() is None

    looks.migrated = False
    clock.now += 0.9
    assert await ready.problem() is None
    clock.now += 0.2
    assert "not migrated" in str(await ready.problem())
    assert looks.count == 2


async def test_a_migration_that_takes_longer_than_a_probe_is_not_begun_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, go = 0, asyncio.Event()

    async def upgrade(_engine: object) -> None:
        nonlocal begun
        begun += 1
        await go.wait()

    monkeypatch.setattr(readiness, "upgrade_engine", upgrade)
    monkeypatch.setattr(readiness, "_CHECK_SECONDS", 0.01)
    Looks(monkeypatch)
    clock = Clock()
    ready = Readiness(create_async_engine(url_of(tmp_path / "db")), migrate=True, clock=clock)

    for _ in range(3):
        assert "away" in str(await ready.problem())
        clock.now += 2
    assert begun == 1
    go.set()
    await ready.close()
    assert await ready.problem() is None
