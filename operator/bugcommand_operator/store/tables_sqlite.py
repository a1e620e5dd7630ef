"""An append's questions to SQLite. One process writes, and a transaction holds the only write lock there is."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.engine import sqlite_connector
from bugcommand_operator.store.lines import LogLine
from bugcommand_operator.store.placing import Claim, Owned, Place, Placed, Reached, accepted
from bugcommand_operator.store.tables import Inconsistent
from bugcommand_operator.store.types import as_text, neighbours_as_text

T = TypeVar("T")
_NOT_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}

_LOCK = """SELECT p.command_id, p.attempt, p.lines, p.bytes, p.last_seq, p.truncated_at,
 o.namespace, o.repository, o.command_uid, o.day, o.expired_at IS NOT NULL
 FROM json_each(?) AS k CROSS JOIN spawn_log_progress AS p
 ON p.command_id = json_extract(k.value, '$[0]') AND p.attempt = json_extract(k.value, '$[1]')
 JOIN spawn_log_owners AS o ON o.command_id = p.command_id"""
_CLAIM = """INSERT INTO spawn_log_owners (command_id, namespace, repository, command_uid, day, created_at)
 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_AMEND = """UPDATE spawn_log_owners SET repository = CASE repository WHEN '' THEN ? ELSE repository END,
 command_uid = CASE command_uid WHEN '' THEN ? ELSE command_uid END WHERE command_id = ? AND namespace = ?"""
_OWNERS = """SELECT o.command_id, o.namespace, o.repository, o.command_uid, o.day, o.expired_at IS NOT NULL
 FROM spawn_log_owners AS o WHERE o.command_id IN (SELECT value FROM json_each(?))"""
_BEGIN = """INSERT INTO spawn_log_progress (command_id, attempt, namespace, lines, last_seq, bytes, last_at)
 VALUES (?, ?, ?, 0, 0, 0, ?) ON CONFLICT DO NOTHING"""
_KNOWN = """SELECT seq FROM spawn_logs WHERE command_id = ? AND attempt = ?
 AND seq IN (SELECT value FROM json_each(?))"""
_LINES = """INSERT INTO spawn_logs
 (command_id, attempt, epoch, machine_id, namespace, day, seq, stream, ts, message) VALUES """
_AT_ONCE = (100, 10, 1)
"""Rows of one statement: what a statement costs, and what the rows of a batch have in common, is most of the rest."""
_ADVANCE = """UPDATE spawn_log_progress SET lines = ?, bytes = ?, last_seq = ?, truncated_at = ?, last_at = ?
 WHERE command_id = ? AND attempt = ?"""


class SqliteTables:
    """A transaction is one job of one thread: nobody who stops waiting for it leaves it open half way, and the lock
    of everybody else with it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._connect = sqlite_connector(engine)
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")

    async def run(self, work: Callable[["SqliteTransaction"], Coroutine[Any, Any, T]]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[["SqliteTransaction"], Coroutine[Any, Any, T]]) -> T:
        connection = self._connection = self._connection or self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            done = _at_once(work(SqliteTransaction(connection)))
            connection.execute("COMMIT")
        except BaseException as error:
            self._end(keep=not isinstance(error, sqlite3.Error))
            raise
        return done

    def _end(self, *, keep: bool) -> None:
        """Undo what is open. What the database itself complained of does not stay open: the file may be another."""
        connection = self._connection
        if connection is not None and connection.in_transaction:
            connection.rollback()
        if connection is not None and not keep:
            self._connection = None
            connection.close()

    async def prepare(self, days: Collection[date]) -> None:
        """All days share a table."""

    def cut(self) -> None:
        if (connection := self._connection) is not None:
            with suppress(sqlite3.ProgrammingError):  # closed meanwhile
                connection.interrupt()

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._end(keep=False))
        self._thread.shutdown(wait=False)


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """What waits for nothing comes to its end at the first step."""
    try:
        work.send(None)
    except StopIteration as end:
        ended: T = end.value
        return ended
    work.close()
    raise RuntimeError("a transaction waited for something else than its database")


class SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def lock(self, places: Collection[Place]) -> Mapping[Place, Reached]:
        rows = self._rows(_LOCK, json.dumps(list(places)))
        return {
            (command_id, attempt): Reached(_owned(owner), *counters)
            for command_id, attempt, *counters, owner in ((*row[:6], row[6:]) for row in rows)
        }

    async def claim(self, claims: Sequence[Claim], *, amend: bool) -> Mapping[str, Owned]:
        now = as_text(datetime.now(UTC))
        self._many(
            _CLAIM, [(c.command_id, c.namespace, c.repository, c.command_uid, c.day.isoformat(), now) for c in claims]
        )
        if amend:
            self._many(_AMEND, [(c.repository, c.command_uid, c.command_id, c.namespace) for c in claims])
        rows = self._rows(_OWNERS, json.dumps([claim.command_id for claim in claims]))
        return {row[0]: _owned(row[1:]) for row in rows}

    async def begin(self, places: Collection[Place], owners: Mapping[str, Owned]) -> None:
        now = as_text(datetime.now(UTC))
        self._many(_BEGIN, [(*where, owners[where[0]].namespace, now) for where in places])

    async def known(self, place: Place, day: date, seqs: Sequence[int]) -> AbstractSet[int]:  # noqa: ARG002
        return {row[0] for row in self._rows(_KNOWN, *place, json.dumps(list(seqs)))}

    async def store(self, placed: Sequence[Placed]) -> None:
        now = as_text(datetime.now(UTC))
        try:
            for attempt in placed:
                self._insert(attempt)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in _NOT_UNIQUE:
                raise Inconsistent(str(error)) from error
            raise
        self._many(_ADVANCE, [(*_counters(attempt.reached), now, *attempt.place) for attempt in placed])

    def _insert(self, attempt: Placed) -> None:
        owner, text_of = attempt.reached.owner, neighbours_as_text()
        for batch in accepted([attempt]):
            common = (*attempt.place, batch.epoch, batch.machine_id, owner.namespace, owner.day.isoformat())
            for some in _pieces(batch.lines):
                rows = [(seq, stream, text_of(ts), message) for seq, stream, ts, message in some]
                self._connection.execute(_insert(len(rows)), [*common, *chain.from_iterable(rows)])

    def _rows(self, sql: str, *parameters: Any) -> Sequence[Any]:
        return self._connection.execute(sql, parameters).fetchall()

    def _many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(sql, rows)


def _owned(row: Sequence[Any]) -> Owned:
    namespace, repository, command_uid, day, expired = row
    return Owned(namespace, repository, command_uid, date.fromisoformat(day), bool(expired))


def _counters(reached: Reached) -> tuple[int, int, int, int | None]:
    return reached.lines, reached.bytes, reached.last_seq, reached.truncated_at


def _pieces(lines: Sequence[LogLine]) -> Iterator[Sequence[LogLine]]:
    start = 0
    for size in _AT_ONCE:
        while len(lines) - start >= size:
            yield lines[start : start + size]
            start += size


@cache
def _insert(rows: int) -> str:
    row = "(?1, ?2, ?3, ?4, ?5, ?6, ?{}, ?{}, ?{}, ?{})"
    return _LINES + ", ".join(row.format(*range(first, first + 4)) for first in range(7, 7 + 4 * rows, 4))
