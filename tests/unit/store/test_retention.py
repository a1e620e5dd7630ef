"""The end of logs: when, of what, and that nothing else is touched."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from tests.unit.store.builders import KEY, batch, open_reading, open_store

from bugcommand_operator.store import retention
from bugcommand_operator.store.indexing import index_once
from bugcommand_operator.store.lines import AttemptKey, Progress, Refusal
from bugcommand_operator.store.partitions import ensure_ahead, partition_of
from bugcommand_operator.store.reading import LogReader, RowQuery
from bugcommand_operator.store.retention import Expired, RetentionPolicy, expire
from bugcommand_operator.store.spawn_logs import SpawnLogs

NOW = datetime.now(UTC)
OTHER = AttemptKey("team-b", "another-command", 1)
THIRD = AttemptKey("team-a", "third-command", 1)
MONTH = RetentionPolicy(30)
TABLES = (
    "spawn_logs", "spawn_log_progress", "spawn_log_owners", "spawn_log_chunks", "spawn_log_indexed", "spawn_recordings",
)  # fmt: skip


@dataclass
class Store:
    logs: SpawnLogs
    reader: LogReader
    url: str

    async def expire(self, policy: RetentionPolicy, days: float) -> Expired:
        """All that there is to do, so many days from now."""
        total = Expired()
        for _ in range(500):
            done = await expire(self.logs._engine, policy, now=datetime.now(UTC) + timedelta(days=days))
            total = Expired(
                total.marked + done.marked,
                total.commands + done.commands,
                total.lines + done.lines,
                total.partitions + done.partitions,
            )
            if not done.more:
                return total
        raise AssertionError("it never ends")

    async def sql(self, statement: str) -> list[tuple[object, ...]]:
        async with self.logs._engine.begin() as connection:
            result = await connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    async def index(self) -> None:
        while await index_once(self.logs._engine):
            pass

    async def commands(self) -> set[str]:
        return {row["command_id"] for row in await self.reader.rows(RowQuery(("command_id",)))}

    async def left(self) -> dict[str, int]:
        return {table: len(await self.sql(f"SELECT 1 FROM {table}")) for table in TABLES}


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with open_store(store_url) as logs, open_reading(store_url) as reader:
        yield Store(logs, reader, store_url)


async def test_a_log_ends_when_its_last_line_is_older_than_its_days_and_leaves_nothing(store: Store) -> None:
    await store.logs.append([batch(range(1, 3001)), batch([1], replace(KEY, attempt=2))])
    await store.index()
    recorded = f"('{KEY.command_id}', 1, 1, 'team-a', 'x')"
    await store.sql(f"INSERT INTO spawn_recordings (command_id, attempt, part, namespace, data) VALUES {recorded}")

    assert await store.expire(MONTH, 29.9) == Expired()
    assert (await store.left())["spawn_logs"] == 3001
    done = await store.expire(MONTH, 30.1)

    assert (done.marked, done.commands) == (1, 1)
    assert await store.left() == dict.fromkeys(TABLES, 0)
    assert await store.reader.search("team-a", "line") == []


async def test_each_repository_has_its_own_days_and_zero_is_for_ever(store: Store) -> None:
    await store.logs.append(
        [
            replace(batch([1]), repository="shop"),
            replace(batch([1], OTHER), repository="shop"),
            replace(batch([1], THIRD), repository="archive"),
            batch([1], AttemptKey("team-a", "fourth", 1)),
        ]
    )
    policy = RetentionPolicy(30, {("team-a", "shop"): 7, ("team-a", "archive"): 0})

    await store.expire(policy, 8)
    assert await store.commands() == {OTHER.command_id, THIRD.command_id, "fourth"}
    await store.expire(policy, 31)
    assert await store.commands() == {THIRD.command_id}
    assert await store.expire(RetentionPolicy(0), 10_000) == Expired() or "postgres" in store.url
    assert await store.commands() == {THIRD.command_id}


async def test_a_log_of_a_namespace_whose_repositories_are_not_known_does_not_end(store: Store) -> None:
    await store.logs.append([batch([1]), batch([1], OTHER)])

    assert (await store.expire(RetentionPolicy(30, {}, frozenset({"team-a"})), 31)).marked == 1
    assert await store.commands() == {OTHER.command_id}


async def test_a_write_keeps_the_whole_command_alive(store: Store) -> None:
    await store.logs.append([batch([1]), batch([1], replace(KEY, attempt=2))])
    await store.sql("UPDATE spawn_log_progress SET last_at = '2020-01-01T00:00:00.000000Z' WHERE attempt = 1")

    await store.expire(MONTH, 1)
    assert len(await store.logs.tail(KEY, 10)) == 1


async def test_what_is_being_deleted_is_neither_read_nor_written(store: Store) -> None:
    await store.logs.append([batch([1, 2])])
    later = datetime.now(UTC) + timedelta(days=31)
    assert await expire(store.logs._engine, MONTH, now=later) == Expired(marked=1, more=True)

    refused = await store.logs.append([batch([3]), batch([1], OTHER)])
    assert refused.refused == {0: Refusal.BEING_DELETED}
    refused = await store.logs.append([batch([1], replace(KEY, attempt=2))])
    assert refused.refused == {0: Refusal.BEING_DELETED}
    assert await store.reader.owners([KEY.command_id]) == {}

    await store.sql("UPDATE spawn_log_owners SET created_at = NULL WHERE expired_at IS NULL")
    for _ in range(10):
        await expire(store.logs._engine, MONTH, now=datetime.now(UTC))
    await store.logs.append([batch([1, 2, 3])])
    assert (await store.logs.progress([KEY.command_id]))[KEY] == Progress(3, 3)
    assert await store.commands() == {KEY.command_id, OTHER.command_id}


async def test_an_interrupted_deletion_is_gone_on_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_PIECES", 1)
    await store.logs.append([batch(range(1, 9001))])
    await store.index()
    later = datetime.now(UTC) + timedelta(days=1)
    short = RetentionPolicy(1)
    lines = []
    for _ in range(100):
        done = await expire(store.logs._engine, short, now=later + timedelta(minutes=1))
        lines.append(done.lines)
        if not done.more:
            break

    assert sum(lines) == 9000
    assert max(lines) <= 5000, "each piece is small"
    assert await store.left() == dict.fromkeys(TABLES, 0)


async def test_a_gateway_that_was_overtaken_leaves_the_new_log_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.logs.append([batch([1])])
    assert (await expire(store.logs._engine, MONTH, now=datetime.now(UTC) + timedelta(days=31))).marked == 1
    slow = retention._delete_lines

    async def overtaken(*where: Any) -> int:
        monkeypatch.setattr(retention, "_delete_lines", slow)
        await store.expire(MONTH, 0)
        await store.logs.append([batch([1, 2])])
        await store.index()
        recorded = f"('{KEY.command_id}', 1, 1, 'team-a', 'x')"
        await store.sql(f"INSERT INTO spawn_recordings (command_id, attempt, part, namespace, data) VALUES {recorded}")
        return await slow(*where)

    monkeypatch.setattr(retention, "_delete_lines", overtaken)
    assert await expire(store.logs._engine, MONTH) == Expired()
    assert await store.left() == {**dict.fromkeys(TABLES, 1), "spawn_logs": 2}


async def test_lines_of_an_older_version_have_their_time_from_now_on(store: Store) -> None:
    await store.logs.append([batch([1])])
    await store.sql("UPDATE spawn_log_progress SET last_at = NULL")
    await store.sql("UPDATE spawn_log_owners SET day = '1970-01-01', created_at = NULL")
    await store.expire(MONTH, 0)

    last = (await store.sql("SELECT last_at FROM spawn_log_progress"))[0][0]
    assert str(last)[:10] == str(datetime.now(UTC).date())


async def test_the_day_of_logs_that_have_all_ended_goes_at_once(postgres_url: str) -> None:
    then = datetime.now(UTC)
    async with open_store(postgres_url, clock=lambda: then) as logs, open_reading(postgres_url) as reader:
        store = Store(logs, reader, postgres_url)
        await logs.append([batch(range(1, 2001)), batch([1], OTHER)])
        then += timedelta(days=5)
        await logs.append([batch([1], THIRD)])
        await ensure_ahead(logs._engine, then.date(), 2)
        await store.sql(
            "UPDATE spawn_log_progress SET last_at = now() + interval '5 days' WHERE command_id LIKE 'third%'"
        )
        await store.index()

        done = await store.expire(RetentionPolicy(3), 6)

        assert (done.marked, done.commands, done.lines, done.partitions) == (2, 2, 0, 1)
        assert await store.commands() == {THIRD.command_id}
        partitions = await store.sql("SELECT relname FROM pg_class WHERE relname ~ '^spawn_logs_2[0-9]+$'")
        assert len(partitions) == 3


async def test_a_day_that_was_left_half_way_is_taken_away_too(postgres_url: str) -> None:
    then = datetime.now(UTC) - timedelta(days=9)
    async with open_store(postgres_url, clock=lambda: then) as logs, open_reading(postgres_url) as reader:
        store = Store(logs, reader, postgres_url)
        await logs.append([batch(range(1, 11))])
        await store.sql("UPDATE spawn_log_progress SET last_at = now() - interval '9 days'")
        await store.sql(f"ALTER TABLE spawn_logs DETACH PARTITION {partition_of(then.date())}")

        done = await store.expire(RetentionPolicy(7), 0)
        assert (done.commands, done.partitions) == (1, 1)
        assert await store.sql(f"SELECT 1 FROM pg_class WHERE relname = '{partition_of(then.date())}'") == []


async def test_a_day_with_a_log_that_lives_on_is_kept(postgres_url: str) -> None:
    async with open_store(postgres_url) as logs, open_reading(postgres_url) as reader:
        store = Store(logs, reader, postgres_url)
        await logs.append([batch(range(1, 11)), replace(batch([1], THIRD), repository="archive")])
        done = await store.expire(RetentionPolicy(3, {("team-a", "archive"): 0}), 10)

        assert (done.commands, done.lines, done.partitions) == (1, 10, 0)
        assert await store.commands() == {THIRD.command_id}


async def test_writing_goes_on_while_days_and_logs_are_taken_away(postgres_url: str) -> None:
    then = datetime.now(UTC) - timedelta(days=9)
    async with open_store(postgres_url, clock=lambda: then) as logs, open_reading(postgres_url) as reader:
        store = Store(logs, reader, postgres_url)
        old = [AttemptKey("team-a", f"old-{number}", 1) for number in range(40)]
        await logs.append([batch(range(1, 101), key) for key in old])
        then = datetime.now(UTC)
        await store.sql("UPDATE spawn_log_progress SET last_at = now() - interval '9 days'")

        async def write() -> int:
            for start in range(1, 2001, 50):
                await logs.append([batch(range(start, start + 50))])
            return (await logs.progress([KEY.command_id]))[KEY].lines

        wrote, *done = await asyncio.gather(write(), *(store.expire(RetentionPolicy(7), 0) for _ in range(3)))
        assert wrote == 2000
        assert sum(one.marked for one in done if isinstance(one, Expired)) == 40
        assert await store.commands() == {KEY.command_id}
        assert await store.left() == {**dict.fromkeys(TABLES, 0), "spawn_logs": 2000, **dict.fromkeys(TABLES[1:3], 1)}


async def test_several_gateways_make_the_same_partitions(postgres_url: str) -> None:
    async with open_store(postgres_url) as logs:
        made = await asyncio.gather(*(ensure_ahead(logs._engine, NOW.date(), 10) for _ in range(5)))

    assert sorted(day for days in made for day in days) == [NOW.date() + timedelta(days=n) for n in range(11)]


async def test_a_day_without_a_partition_gets_one_when_a_line_needs_it(postgres_url: str) -> None:
    async with open_store(postgres_url) as logs:
        await logs.append([batch([1])])
        async with logs._engine.begin() as connection:
            await connection.execute(text(f"DROP TABLE spawn_logs_{datetime.now(UTC):%Y%m%d}"))

        assert (await logs.append([batch([2, 3])])).new_lines == 2
