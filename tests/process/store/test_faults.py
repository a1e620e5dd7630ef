"""A Postgres that is cut off, silent, slow, or does what it was asked without being able to say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import psycopg
import pytest
from dev.chaos.tcp import TcpProxy
from tests.support.postgres import PostgresServer
from tests.unit.store.builders import KEY, batch, open_store

from bugcommand_operator.store import notifications
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.notifications import Connected, Disconnected, Event, Notification, listen
from bugcommand_operator.store.spawn_logs import SpawnLogs


@pytest.fixture
async def proxy(postgres_server: PostgresServer) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", postgres_server.port) as running:
        yield running


@asynccontextmanager
async def store_behind(proxy: TcpProxy, url: str) -> AsyncIterator[SpawnLogs]:
    async with open_store(proxy.url(url)) as store:
        yield store


async def seqs(store: SpawnLogs) -> list[int]:
    return [line.seq for line in await store.tail(KEY, 10_000)]


async def test_lines_that_were_committed_without_an_answer_are_stored_once_when_they_come_again(
    proxy: TcpProxy, postgres_url: str
) -> None:
    async with store_behind(proxy, postgres_url) as store:
        await store.append([batch([1, 2, 3])])
        proxy.loses_answer_to = b"COMMIT"
        with pytest.raises(StoreUnavailable):
            await store.append([batch([4, 5])])
        assert proxy.lost == 1
        again = await store.append([batch([4, 5, 6])])

        assert (again.new_lines, again.repeated) == (1, 2)
        assert await seqs(store) == [1, 2, 3, 4, 5, 6]
        progress = await store.progress([KEY.command_id])
        assert (progress[KEY].lines, progress[KEY].last_sequence) == (6, 6)


async def test_a_commit_that_is_acknowledged_late_is_acknowledged_and_stored_once(
    proxy: TcpProxy, postgres_url: str
) -> None:
    async with store_behind(proxy, postgres_url) as store:
        await store.append([batch([1])])
        proxy.answer_delay = 0.2
        assert (await store.append([batch([2, 3])])).new_lines == 2
        proxy.answer_delay = 0.0

        assert await seqs(store) == [1, 2, 3]


async def test_a_database_that_is_cut_off_takes_nothing_and_then_everything(proxy: TcpProxy, postgres_url: str) -> None:
    async with store_behind(proxy, postgres_url) as store:
        await store.append([batch([1])])
        proxy.is_away = True
        proxy.cut()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.append([batch([2])])
        proxy.is_away = False
        await store.append([batch([2])])

        assert await seqs(store) == [1, 2]


async def test_connections_cut_again_and_again_while_lines_are_written_lose_and_double_none(
    proxy: TcpProxy, postgres_url: str
) -> None:
    async def cuts() -> None:
        for _ in range(8):
            await asyncio.sleep(0.05)
            proxy.cut()

    async with store_behind(proxy, postgres_url) as store:
        cutting = asyncio.create_task(cuts())
        first, is_stored = 1, True
        while first <= 3000 or not cutting.done() or not is_stored:
            try:
                await store.append([batch(range(first, first + 100))])
            except StoreUnavailable:
                is_stored = False  # perhaps; as from the runner, the same lines come again
                continue
            first, is_stored = first + 100, True
        await cutting

        assert await seqs(store) == list(range(1, first))[-10_000:]


async def told(events: AsyncIterator[Event], seconds: float = 10) -> Event:
    async with asyncio.timeout(seconds):
        return await anext(events)


async def test_a_listener_that_is_cut_off_says_so_and_listens_again(proxy: TcpProxy, postgres_url: str) -> None:
    async with aclosing(listen(proxy.url(postgres_url), ["one"])) as events:
        assert await told(events) == Connected()
        proxy.is_away = True
        proxy.cut()
        assert [type(await told(events)) for _ in range(3)] == [Disconnected] * 3
        proxy.is_away = False
        while isinstance(found := await told(events), Disconnected):
            pass
        assert found == Connected()
        announce(postgres_url)
        assert await told(events) == Notification("one", "hello")


async def test_a_line_that_has_fallen_silent_is_noticed_by_asking(
    proxy: TcpProxy, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_QUIET_SECONDS", 0.5)
    async with aclosing(listen(proxy.url(postgres_url), ["one"])) as events:
        assert await told(events) == Connected()
        proxy.stall()
        announce(postgres_url)
        assert isinstance(await told(events, 30), Disconnected), "the driver tries for 10 s to take its question back"
        proxy.flow()
        assert await told(events) == Connected()


def announce(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("NOTIFY one, 'hello'")
