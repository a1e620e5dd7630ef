"""What the store makes of a database that is locked, full, away, unmigrated or unwilling."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.unit.store.builders import KEY, batch, open_store, url_of

from bugcommand_operator.store.engine import open_reader, open_writer, sqlite_connector
from bugcommand_operator.store.errors import StoreFull, StoreRejected, StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey
from bugcommand_operator.store.spawn_logs import SpawnLogs
from bugcommand_operator.store.tables_sqlite import SqliteTables


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[SpawnLogs]:
    engine = open_reader(url_of(path))
    yield SpawnLogs(engine)
    await engine.dispose()


async def test_a_reader_that_starts_before_the_writer_sees_no_lines_and_creates_no_file(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    async with reading(path) as reader:
        assert await reader.tail(KEY, 5) == []
        assert await reader.progress([KEY.command_id]) == {}
        assert not path.exists()

        async with open_store(path) as store:
            await store.append([batch([1])])
            assert [line.seq for line in await reader.tail(KEY, 5)] == [1]


async def test_a_reader_of_a_database_without_tables_sees_no_lines(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "logs.db").execute("CREATE TABLE other (a)").connection.close()

    async with reading(tmp_path / "logs.db") as reader:
        assert await reader.tail(KEY, 5) == []


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    async with open_store(tmp_path / "logs.db"), reading(tmp_path / "logs.db") as reader:
        with pytest.raises(StoreUnavailable, match="readonly"):
            await reader.append([batch([1])])


async def test_what_is_no_database_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "logs.db").write_bytes(b"not a database" * 100)

    async with reading(tmp_path / "logs.db") as reader:
        with pytest.raises(StoreUnavailable, match="not a database"):
            await reader.tail(KEY, 5)


async def test_a_locked_database_is_unavailable_and_then_works_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "logs.db", lock_wait_seconds=0.05) as store:
        locker = sqlite3.connect(tmp_path / "logs.db", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.append([batch([1])])
        locker.execute("ROLLBACK")
        locker.close()

        assert (await store.append([batch([1])])).new_lines == 1


async def test_a_full_database_stores_nothing_of_a_batch_and_says_that_it_is_full(tmp_path: Path) -> None:
    async with open_store(tmp_path / "logs.db") as store:
        tables = store._tables = SqliteTables(store._engine)
        connection = tables._connection = sqlite_connector(store._engine)()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreFull):
            await store.append([batch(range(1, 1001), message="x" * 1000)])
        assert await store.tail(KEY, 5) == []
        assert await store.progress([KEY.command_id]) == {}


async def test_a_database_whose_folder_is_missing_is_unavailable(tmp_path: Path) -> None:
    engine = open_writer(url_of(tmp_path / "missing" / "logs.db"), synchronous="FULL")

    with pytest.raises(StoreUnavailable):
        await SpawnLogs(engine).append([batch([1])])
    await engine.dispose()


async def test_values_that_the_database_refuses_are_rejected_for_good_and_leave_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path / "logs.db") as store:
        with pytest.raises(StoreRejected, match="spawn_logs_attempt"):
            await store.append([batch([1]), batch([1], AttemptKey("team-a", "other", 0))])

        assert await store.tail(KEY, 5) == []


@pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
async def test_writers_use_a_write_ahead_log_and_sync_as_they_were_told(
    tmp_path: Path, synchronous: str, level: int
) -> None:
    engine = open_writer(url_of(tmp_path / "logs.db"), synchronous=synchronous)  # type: ignore[arg-type]
    async with engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [(await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in pragmas]
    await engine.dispose()

    assert found == ["wal", level, 1, 5000]
