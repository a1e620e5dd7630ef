"""An append's questions to SQLite. One process writes, and a transaction holds the only write lock there is."""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.placing import Claim, Owned, Place, Placed, Reached
from bugcommand_operator.store.tables import Inconsistent
from bugcommand_operator.store.types import as_text, neighbours_as_text

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
_LINES = """INSERT INTO spawn_logs (command_id, attempt, seq, stream, ts, message, epoch, machine_id, namespace, day)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ADVANCE = """UPDATE spawn_log_progress SET lines = ?, bytes = ?, last_seq = ?, truncated_at = ?, last_at = ?
 WHERE command_id = ? AND attempt = ?"""


class SqliteTables:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["SqliteTransaction"]:
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield SqliteTransaction(connection)
            await connection.commit()

    async def prepare(self, days: Collection[date]) -> None:
        """All days share a table."""

    def cut(self) -> None:
        """A write that hangs in the kernel cannot be interrupted."""

    async def close(self) -> None:
        """The engine's owner closes it."""


class SqliteTransaction:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, places: Collection[Place]) -> Mapping[Place, Reached]:
        rows = await self._rows(_LOCK, json.dumps(list(places)))
        return {
            (command_id, attempt): Reached(_owned(owner), *counters)
            for command_id, attempt, *counters, owner in ((*row[:6], row[6:]) for row in rows)
        }

    async def claim(self, claims: Sequence[Claim], *, amend: bool) -> Mapping[str, Owned]:
        now = as_text(datetime.now(UTC))
        await self._many(
            _CLAIM, [(c.command_id, c.namespace, c.repository, c.command_uid, c.day.isoformat(), now) for c in claims]
        )
        if amend:
            await self._many(_AMEND, [(c.repository, c.command_uid, c.command_id, c.namespace) for c in claims])
        rows = await self._rows(_OWNERS, json.dumps([claim.command_id for claim in claims]))
        return {row[0]: _owned(row[1:]) for row in rows}

    async def begin(self, places: Collection[Place], owners: Mapping[str, Owned]) -> None:
        now = as_text(datetime.now(UTC))
        await self._many(_BEGIN, [(*where, owners[where[0]].namespace, now) for where in places])

    async def known(self, place: Place, day: date, seqs: Sequence[int]) -> AbstractSet[int]:  # noqa: ARG002
        return {row[0] for row in await self._rows(_KNOWN, *place, json.dumps(list(seqs)))}

    async def store(self, placed: Sequence[Placed]) -> None:
        now = as_text(datetime.now(UTC))
        try:
            await self._many(_LINES, list(_line_rows(placed)))
        except IntegrityError as error:
            if "UNIQUE" in str(error.orig):
                raise Inconsistent(str(error.orig)) from error
            raise
        await self._many(_ADVANCE, [(*_counters(attempt.reached), now, *attempt.place) for attempt in placed])

    async def _rows(self, sql: str, *parameters: Any) -> Sequence[Any]:
        return (await self._connection.exec_driver_sql(sql, parameters)).all()

    async def _many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        await self._connection.exec_driver_sql(sql, rows)


def _owned(row: Sequence[Any]) -> Owned:
    namespace, repository, command_uid, day, expired = row
    return Owned(namespace, repository, command_uid, date.fromisoformat(day), bool(expired))


def _counters(reached: Reached) -> tuple[int, int, int, int | None]:
    return reached.lines, reached.bytes, reached.last_seq, reached.truncated_at


def _line_rows(placed: Sequence[Placed]) -> Iterator[tuple[Any, ...]]:
    text_of = neighbours_as_text()
    for attempt in placed:
        (command_id, number), owner = attempt.place, attempt.reached.owner
        namespace, day = owner.namespace, owner.day.isoformat()
        for batch, line in attempt.lines:
            yield (
                command_id, number, line.seq, line.stream, text_of(line.ts), line.message,
                batch.epoch, batch.machine_id, namespace, day,
            )  # fmt: skip
