"""Recordings on both databases: the first write wins, there is a bound, and a command id has one owner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.unit.store.builders import KEY, batch, open_store

from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.lines import Refusal
from bugcommand_operator.store.recordings import NoLog, RecordingFull, Recordings
from bugcommand_operator.store.schema import spawn_log_owners, spawn_recordings


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    async with open_store(url) as store:
        await store.append([replace(batch([1]), command_uid="uid-1")])
        engine = open_writer(url, synchronous="NORMAL")
        try:
            yield engine
        finally:
            await engine.dispose()


async def kept(engine: AsyncEngine) -> list[tuple[int, str]]:
    table = spawn_recordings.c
    async with engine.connect() as connection:
        rows = await connection.execute(select(table.part, table.data).order_by(table.part))
        return [(row.part, row.data) for row in rows]


async def test_the_first_write_of_a_part_wins_whoever_sends_it_at_once(store_url: str) -> None:
    async with opened(store_url) as engine:
        store = Recordings(engine)
        sent = [store.keep(KEY, "uid-1", part, f"{part} é") for part in (1, 2, 1, 2)]
        assert await asyncio.gather(*sent) == [None] * 4
        assert await store.keep(KEY, "uid-1", 1, "later") is None
        assert await kept(engine) == [(1, "1 é"), (2, "2 é")]


async def test_an_attempts_parts_have_a_bound_in_bytes_and_one_that_is_there_stays_good(store_url: str) -> None:
    async with opened(store_url) as engine:
        store = Recordings(engine, cap=10)
        await store.keep(KEY, "uid-1", 1, "ééé")
        with pytest.raises(RecordingFull):
            await store.keep(KEY, "uid-1", 2, "ééé")
        assert await store.keep(KEY, "uid-1", 1, "ééé") is None
        assert await store.keep(KEY, "uid-1", 3, "éé") is None
        assert await store.keep(replace(KEY, attempt=2), "uid-1", 1, "ééééé") is None


async def test_a_recording_belongs_to_whom_the_log_belongs(store_url: str) -> None:
    async with opened(store_url) as engine:
        store = Recordings(engine)
        assert await store.keep(replace(KEY, namespace="team-b"), "uid-1", 1, "x") is Refusal.ANOTHER_NAMESPACE
        assert await store.keep(KEY, "uid-2", 1, "x") is Refusal.ANOTHER_COMMAND
        with pytest.raises(NoLog):
            await store.keep(replace(KEY, command_id="another"), "uid-1", 1, "x")
        async with engine.begin() as connection:
            await connection.execute(update(spawn_log_owners).values(expired_at=datetime.now(UTC)))
        assert await store.keep(KEY, "uid-1", 1, "x") is Refusal.BEING_DELETED
        assert await kept(engine) == []
