"""What readers get to see of the rows: by query, within a scope, after a cursor."""

import asyncio
import gc
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, text
from tests.unit.store.builders import EPOCH, KEY, batch, open_reading, open_store

from bugcommand_operator.gateway.rest.conditions import OPERATORS, Compare
from bugcommand_operator.gateway.rest.errors import RestError
from bugcommand_operator.gateway.rest.query import parse_query
from bugcommand_operator.gateway.rest.tables import TABLES
from bugcommand_operator.store import migrate, schema
from bugcommand_operator.store.bounded import bounded
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.errors import BadQuery, StoreRejected, StoreUnavailable, TooBroad
from bugcommand_operator.store.lines import AttemptKey, Owner
from bugcommand_operator.store.queries import Group, TableName, page_of, rows_matching
from bugcommand_operator.store.reading import Filter, LogReader, Order, RowQuery, Scope
from bugcommand_operator.store.spawn_logs import SpawnLogs

SECOND = replace(KEY, attempt=2)
OTHER = AttemptKey("team-b", "another-command", 1)
TODAY = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)
MINE = Filter("command_id", "eq", KEY.command_id)


@dataclass
class Store:
    logs: SpawnLogs
    reader: LogReader

    async def seqs(self, *filters: Filter, **query: object) -> list[int]:
        rows = await self.reader.rows(RowQuery(("seq",), filters, **query))  # type: ignore[arg-type]
        return [row["seq"] for row in rows]


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with open_store(store_url, clock=lambda: TODAY) as logs, open_reading(store_url) as reader:
        yield Store(logs, reader)


async def test_an_owner_is_the_first_that_wrote(store: Store) -> None:
    await store.logs.append([replace(batch([1]), repository="shop", command_uid="uid-1"), batch([1], OTHER)])

    assert await store.reader.owners([KEY.command_id, OTHER.command_id, "unknown"]) == {
        KEY.command_id: Owner("team-a", "shop", date(2026, 3, 4), "uid-1"),
        OTHER.command_id: Owner("team-b", "", date(2026, 3, 4), ""),
    }


async def test_a_command_keeps_its_day_beyond_midnight(store_url: str) -> None:
    now = TODAY
    async with open_store(store_url, clock=lambda: now) as logs, open_reading(store_url) as reader:
        await logs.append([batch([1])])
        now = TODAY + timedelta(days=2)
        await logs.append([batch([2]), batch([1], SECOND), batch([1], OTHER)])
        rows = await reader.rows(RowQuery(("command_id", "day")))

    assert {(row["command_id"], row["day"]) for row in rows} == {
        (KEY.command_id, date(2026, 3, 4)),
        (OTHER.command_id, date(2026, 3, 6)),
    }


async def test_all_columns_of_a_row_come_back(store: Store) -> None:
    await store.logs.append([batch([1])])

    assert await store.reader.rows(RowQuery(filters=(MINE,))) == [
        {
            "command_id": KEY.command_id,
            "attempt": 1,
            "seq": 1,
            "stream": "stdout",
            "ts": EPOCH + timedelta(microseconds=1),
            "message": "line 1",
            "epoch": 1,
            "machine_id": "lab",
            "namespace": "team-a",
            "day": date(2026, 3, 4),
        }
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Filter("seq", "eq", 3), [3]),
        (Filter("seq", "eq", "3"), [3]),
        (Filter("seq", "neq", 3), [1, 2, 4, 5]),
        (Filter("seq", "gt", 3), [4, 5]),
        (Filter("seq", "gte", 3), [3, 4, 5]),
        (Filter("seq", "lt", 3), [1, 2]),
        (Filter("seq", "lte", 3), [1, 2, 3]),
        (Filter("seq", "in", ["2", 4]), [2, 4]),
        (Filter("seq", "in", []), []),
        (Filter("seq", "eq", 3, negated=True), [1, 2, 4, 5]),
        (Filter("seq", "lt", 1 << 80), [1, 2, 3, 4, 5]),
        (Filter("ts", "gt", "2026-01-01T00:00:00.000003Z"), [4, 5]),
        (Filter("ts", "gt", "2026-01-01T01:00:00.000003+01:00"), [4, 5]),
        (Filter("ts", "eq", EPOCH + timedelta(microseconds=2)), [2]),
        (Filter("message", "like", "line%"), [1, 2, 3, 4, 5]),
        (Filter("message", "like", "LINE%"), []),
        (Filter("message", "ilike", "LINE _"), [1, 2, 3, 4, 5]),
        (Filter("message", "is", None), []),
        (Filter("stream", "eq", "stderr"), []),
        (Filter("day", "eq", "2026-03-04"), [1, 2, 3, 4, 5]),
    ],
)
async def test_a_filter_means_the_same_in_both_databases(store: Store, condition: Filter, expected: list[int]) -> None:
    await store.logs.append([batch(range(1, 6))])

    assert await store.seqs(MINE, condition) == expected
    assert await store.reader.count(RowQuery(filters=(MINE, condition)), 100) == len(expected)


async def test_one_of_several_groups_has_to_hold_as_a_whole(store: Store) -> None:
    await store.logs.append([batch(range(1, 6)), batch(range(1, 4), SECOND)])
    after = Group((Group((Filter("attempt", "eq", 1), Filter("seq", "gt", 3))), Filter("attempt", "gt", 1)), any=True)

    rows = await store.reader.rows(
        RowQuery(("attempt", "seq"), (MINE, after), (Order("attempt"), Order("seq", descending=True)))
    )
    assert [(row["attempt"], row["seq"]) for row in rows] == [(1, 5), (1, 4), (2, 3), (2, 2), (2, 1)]


leaf = st.builds(Filter, st.just("seq"), st.sampled_from(["eq", "gt"]), st.integers(0, 4), st.booleans())
trees: st.SearchStrategy[Filter | Group] = st.recursive(
    leaf,
    lambda inner: st.builds(Group, st.lists(inner, min_size=1, max_size=3).map(tuple), st.booleans(), st.booleans()),
    max_leaves=8,
)


def holds(condition: Filter | Group, seq: int) -> bool:
    if isinstance(condition, Filter):
        return bool(seq == condition.value if condition.op == "eq" else seq > condition.value) != condition.negated
    parts = [holds(part, seq) for part in condition.parts]
    return (any(parts) if condition.any else all(parts)) != condition.negated


def test_nested_conditions_hold_in_the_database_exactly_when_they_do_here(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/logs.db")
    schema.spawn_logs.create(engine)
    line = {
        **dict.fromkeys(schema.spawn_logs.columns.keys(), ""),
        "attempt": 1,
        "epoch": 1,
        "ts": EPOCH,
        "day": EPOCH,
        "stream": "stdout",
    }
    with engine.connect() as connection:
        connection.execute(insert(schema.spawn_logs), [{**line, "seq": seq} for seq in range(1, 5)])

        @given(trees)
        def check(tree: Filter | Group) -> None:
            statement = page_of(rows_matching(RowQuery(("seq",), (tree,)), None), RowQuery())
            assert connection.execute(statement).scalars().all() == [seq for seq in range(1, 5) if holds(tree, seq)]

        check()
    engine.dispose()


def test_a_statement_has_each_value_once_however_conditions_are_combined() -> None:
    lists = [Group((Filter("seq", "in", tuple(range(500))), Filter("seq", "eq", n)), any=True) for n in range(4)]
    groups = [Group((Filter("seq", "eq", n), Filter("attempt", "eq", n)), any=True) for n in range(10)]
    compiled = rows_matching(RowQuery(filters=(*lists, *groups)), None).compile()
    assert sum(len(one) if isinstance(one, list) else 1 for one in compiled.params.values()) == 2024


async def test_pages_follow_each_other_though_many_rows_have_the_same_time(store: Store) -> None:
    same = [one._replace(ts=EPOCH) for one in batch(range(1, 31)).lines]
    await store.logs.append([replace(batch([]), lines=same), replace(batch([], SECOND), lines=same)])

    seen = []
    for offset in range(0, 60, 7):
        query = RowQuery(("attempt", "seq"), (MINE,), order=(Order("ts", descending=True),), limit=7, offset=offset)
        seen += [(row["attempt"], row["seq"]) for row in await store.reader.rows(query)]
    assert len(seen) == len(set(seen)) == 60


@pytest.mark.parametrize("table", ["spawn_logs", "spawn_recordings", "bridge_commands"])
def test_an_order_ends_with_the_whole_key_of_the_table(table: TableName) -> None:
    columns = schema.metadata.tables[table]
    asked = RowQuery(order=(Order(columns.columns.keys()[1]),), table=table)
    order = str(page_of(rows_matching(asked, None), asked)).partition("ORDER BY ")[2]
    assert {one.name for one in columns.primary_key} <= set(re.findall(r"\.(\w+) ASC", order))


async def test_pages_of_a_namespace_follow_each_other_though_its_commands_have_the_same_lines(store: Store) -> None:
    keys = [replace(KEY, command_id=f"command-{number}") for number in range(40)]
    await store.logs.append([batch([1, 2, 3], key) for key in keys])

    seen = []
    for offset in range(0, 120, 7):
        order, scope = (Order("attempt"), Order("seq")), Scope(frozenset({"team-a"}))
        asked = RowQuery(("command_id", "seq"), order=order, limit=7, offset=offset, scope=scope)
        seen += [(row["command_id"], row["seq"]) for row in await store.reader.rows(asked)]
    assert len(seen) == len(set(seen)) == 120


async def test_a_count_goes_no_further_than_its_bound(store: Store) -> None:
    await store.logs.append([batch(range(1, 101))])

    assert await store.reader.count(RowQuery(filters=(MINE,), limit=3), 40) == 40
    assert await store.reader.count(RowQuery(), 1000) == 100


@pytest.mark.parametrize("by_command", [True, False])
async def test_rows_outside_the_scope_are_as_if_they_were_not_there(store: Store, by_command: bool) -> None:
    await store.logs.append([replace(batch([1]), repository="shop"), replace(batch([1, 2], OTHER), repository="bank")])
    ids = Filter("command_id", "in", [KEY.command_id, OTHER.command_id])

    async def seen(namespaces: set[str] | None, repositories: set[str] | None) -> int:
        scope = Scope(*(None if some is None else frozenset(some) for some in (namespaces, repositories)))
        query = RowQuery(filters=(ids,) if by_command else (), scope=scope)
        rows = await store.reader.rows(query)
        assert len(rows) == await store.reader.count(query, 100)
        return len(rows)

    assert await seen(None, None) == 3
    assert await seen({"team-a"}, None) == 1
    assert await seen({"team-b"}, {"bank", "shop"}) == 2
    assert await seen({"team-b"}, {"shop"}) == 0
    assert await seen(None, {"shop"}) == 1
    assert await seen(set(), None) == 0
    assert await seen({"team-a", "team-b"}, set()) == 0


@pytest.mark.parametrize(
    "query",
    [
        RowQuery(("nothing",)),
        RowQuery(filters=(Filter("nothing", "eq", 1),)),
        RowQuery(order=(Order("nothing"),)),
        RowQuery(filters=(Filter("seq", "eq", "many"),)),
        RowQuery(filters=(Filter("ts", "gt", "yesterday"),)),
        RowQuery(filters=(Filter("seq", "or", 1),)),  # type: ignore[arg-type]
    ],
)
async def test_a_question_without_meaning_is_refused(store: Store, query: RowQuery) -> None:
    with pytest.raises(BadQuery):
        await store.reader.rows(query)


async def test_whatever_the_grammar_lets_through_both_databases_understand(store: Store) -> None:
    values = {"text": "a", "integer": "1", "boolean": "true", "timestamp": "2026-01-01T00:00:00Z"}
    values |= {"date": "2026-01-01", "uuid": KEY.command_id, "json": "[]"}
    for table in TABLES.values():
        for column, found in table.columns.items():
            for op in OPERATORS:
                value = "null" if op == "is" else f"({values[found.kind]})" if op == "in" else values[found.kind]
                try:
                    (compare,) = parse_query(table, [(column, f"{op}.{value}")], {}).conditions
                except RestError as error:
                    assert (error.status, error.code) == (400, "42883")
                    continue
                assert isinstance(compare, Compare)
                condition = Filter(compare.column, compare.op, compare.value)
                assert await store.reader.rows(RowQuery(filters=(condition,), table=table.name)) == []


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("spawn_logs", Filter("seq", "like", "1%")),
        ("spawn_logs", Filter("ts", "ilike", "2026%")),
        ("spawn_logs", Filter("day", "like", "2026%")),
        ("spawn_logs", Filter("message", "is", value=True)),
        ("bridge_commands", Filter("id", "like", "5f%")),
        ("bridge_commands", Filter("flags", "eq", "-p")),
        ("bridge_commands", Filter("payload", "ilike", "%x%")),
        ("bridge_commands", Filter("approval_required", "gt", value=False)),
        ("bridge_commands", Filter("prompt", "match", "x")),  # type: ignore[arg-type]
    ],
)
@pytest.mark.filterwarnings("error::sqlalchemy.exc.SADeprecationWarning")
async def test_an_operator_that_postgres_does_not_have_is_a_bad_query_before_a_database_is_asked(
    store: Store, table: TableName, condition: Filter
) -> None:
    for one in (condition, replace(condition, negated=True), Group((condition,), negated=True)):
        with pytest.raises(BadQuery):
            await store.reader.rows(RowQuery(filters=(one,), table=table))
        with pytest.raises(BadQuery):
            rows_matching(RowQuery(filters=(one,), table=table), None)


@pytest.mark.parametrize("scope", [Scope(), Scope(frozenset({"team-a"}), None)])
async def test_a_recording_is_seen_only_from_the_commands_owner(store: Store, scope: Scope) -> None:
    await store.logs.append([batch([1]), batch([1], OTHER)])
    part = {"attempt": 1, "data": "x"}
    rows = [
        {**part, "part": 1, "command_id": KEY.command_id, "namespace": "team-a"},
        {**part, "part": 2, "command_id": KEY.command_id, "namespace": "team-b"},
        {**part, "part": 1, "command_id": OTHER.command_id, "namespace": "team-a"},
    ]
    async with store.logs._engine.begin() as connection:
        await connection.execute(insert(schema.spawn_recordings), rows)
    both = Filter("command_id", "in", [KEY.command_id, OTHER.command_id])
    for named in (both, Filter("command_id", "eq", KEY.command_id)):
        found = await store.reader.rows(RowQuery(("part",), (named,), scope=scope, table="spawn_recordings"))
        assert found == [{"part": 1}]
    assert (
        await store.reader.rows(RowQuery(filters=(both,), scope=Scope(frozenset({"team-c"})), table="spawn_recordings"))
        == []
    )


async def test_lines_after_a_cursor_are_those_that_it_has_not_seen(store: Store) -> None:
    await store.logs.append([batch(range(1, 6)), batch(range(1, 4), SECOND), batch([9], OTHER)])

    async def after(cursor: dict[int, int], limit: int) -> list[tuple[int, int]]:
        rows = await store.reader.lines_after(KEY.command_id, cursor, limit)
        return [(row.attempt, row.seq) for row in rows]

    assert await after({}, 100) == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1), (2, 2), (2, 3)]
    assert await after({1: 4, 2: 2}, 100) == [(1, 5), (2, 3)]
    assert await after({1: 3}, 3) == [(1, 4), (1, 5), (2, 1)]
    assert await after({1: 5, 2: 3}, 100) == []
    assert await store.reader.lines_after("unknown", {}, 10) == []


async def test_a_reader_has_no_way_to_write(store: Store, store_url: str) -> None:
    engine = open_reader(store_url)
    with pytest.raises(Exception, match=r"readonly|read-only"):
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM spawn_log_progress"))
    await engine.dispose()


async def test_a_question_that_takes_too_long_is_interrupted(store: Store, store_url: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    engine = open_reader(store_url)
    with pytest.raises(TooBroad):
        async with bounded(engine, 0.2, tell=True) as connection:
            await connection.execute(text(endless))
    async with bounded(engine, 5, tell=True) as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


@pytest.fixture
def no_garbage_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def let_go(path: Path) -> None:
    """Until nobody holds a snapshot: only then may the WAL begin anew."""
    async with asyncio.timeout(5):
        while True:
            with closing(sqlite3.connect(path, timeout=0)) as connection:
                if connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0:
                    return
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("no_garbage_is_collected")
async def test_a_reader_of_sqlite_that_is_cancelled_lets_go_of_its_snapshot(tmp_path: Path) -> None:
    url, path = f"sqlite+aiosqlite:///{tmp_path / 'logs.db'}", tmp_path / "logs.db"
    async with open_store(url) as logs, open_reading(url) as reader:
        await logs.append([batch(range(1, 4001))])
        for milliseconds in range(0, 60, 2):
            question = asyncio.create_task(reader.rows(RowQuery(filters=(MINE,), limit=4000)))
            await asyncio.wait({question}, timeout=milliseconds / 1000)
            question.cancel()
            await asyncio.gather(question, return_exceptions=True)
            await logs.append([batch([5000 + milliseconds])])
            await let_go(path)


@pytest.mark.usefixtures("no_garbage_is_collected")
async def test_what_a_cancelled_reader_has_asked_sqlite_is_not_worked_out_any_further(tmp_path: Path) -> None:
    url, path = f"sqlite+aiosqlite:///{tmp_path / 'logs.db'}", tmp_path / "logs.db"
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(seq) FROM n, spawn_logs")
    async with open_store(url) as logs:
        await logs.append([batch([1])])
        engine = open_reader(url)

        async def ask() -> None:
            async with bounded(engine, 60) as connection:
                await connection.execute(endless)

        question = asyncio.create_task(ask())
        await asyncio.wait({question}, timeout=0.2)
        question.cancel()
        await asyncio.wait_for(asyncio.gather(question, return_exceptions=True), 5)
        await logs.append([batch([2])])
        await let_go(path)
        await engine.dispose()


async def test_a_database_that_is_away_is_unavailable() -> None:
    async with open_reading("postgresql+psycopg://nobody@127.0.0.1:1/none") as reader:
        with pytest.raises(StoreUnavailable):
            await reader.owners(["command"])


async def test_a_row_whose_payload_cannot_be_decoded_is_an_error_of_the_store(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'logs.db'}"
    await migrate.upgrade(url)
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        values = {"id": "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11", "payload": f'{{"a": {"9" * 5000}}}'}
        columns = "id, prompt, status, namespace, payload"
        statement = f"INSERT INTO bridge_commands ({columns}) VALUES (:id, 'x', 'pending', 'team-a', :payload)"
        connection.execute(text(statement), values)
    engine.dispose()
    reading = open_reader(url)
    query = RowQuery(("payload",), (Filter("namespace", "eq", "team-a"),), table="bridge_commands")
    with pytest.raises(StoreRejected, match="cannot be decoded"):
        await LogReader(reading).rows(query)
    await reading.dispose()
