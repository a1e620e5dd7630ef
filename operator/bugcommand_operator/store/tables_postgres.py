"""An append's questions to Postgres, on a connection of its own and with COPY for the lines.

The lock of an attempt's counters is what makes lines exact: whoever holds it knows which are there, so that no
line needs a conflict clause. All locks are taken in one order: owners, counters by key.
"""

import json
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date
from typing import Any, TypeVar

from psycopg import AsyncConnection, errors
from sqlalchemy.engine import URL

from bugcommand_operator.store.notifications import LOG_CHANNEL
from bugcommand_operator.store.partitions import ensure_days
from bugcommand_operator.store.placing import Claim, Owned, Place, Placed, Reached
from bugcommand_operator.store.postgres_link import PostgresLink
from bugcommand_operator.store.tables import Inconsistent, NoPartition

T = TypeVar("T")

_LOCK = """SELECT p.command_id, p.attempt, p.lines, p.bytes, p.last_seq, p.truncated_at,
 o.namespace, o.repository, o.command_uid, o.day, p.expired_at IS NOT NULL
 FROM unnest(%s::text[], %s::int[]) AS k(command_id, attempt)
 JOIN spawn_log_progress AS p ON p.command_id = k.command_id AND p.attempt = k.attempt
 JOIN spawn_log_owners AS o ON o.command_id = p.command_id
 ORDER BY p.command_id, p.attempt FOR NO KEY UPDATE OF p"""
_CLAIM = """INSERT INTO spawn_log_owners (command_id, namespace, repository, command_uid, day, created_at)
 SELECT k.* , now() FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::date[]) AS k
 ON CONFLICT DO NOTHING"""
_AMEND = """UPDATE spawn_log_owners AS o SET
 repository = CASE o.repository WHEN '' THEN k.repository ELSE o.repository END,
 command_uid = CASE o.command_uid WHEN '' THEN k.command_uid ELSE o.command_uid END
 FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::date[])
 AS k(command_id, namespace, repository, command_uid, day)
 WHERE o.command_id = k.command_id AND o.namespace = k.namespace"""
_OWNERS = """SELECT o.command_id, o.namespace, o.repository, o.command_uid, o.day, o.expired_at IS NOT NULL
 FROM spawn_log_owners AS o WHERE o.command_id = ANY(%s::text[]) ORDER BY o.command_id FOR KEY SHARE"""
_BEGIN = """INSERT INTO spawn_log_progress (command_id, attempt, namespace, lines, last_seq, bytes, last_at)
 SELECT k.*, 0, 0, 0, now() FROM unnest(%s::text[], %s::int[], %s::text[]) AS k ON CONFLICT DO NOTHING"""
_KNOWN = "SELECT seq FROM spawn_logs WHERE command_id = %s AND attempt = %s AND day = %s AND seq = ANY(%s::int8[])"
_COPY = """COPY spawn_logs (command_id, attempt, seq, stream, ts, message, epoch, machine_id, namespace, day)
 FROM STDIN (FORMAT BINARY)"""
_COPY_TYPES = ("varchar", "int4", "int8", "varchar", "timestamptz", "text", "int8", "varchar", "varchar", "date")
_ADVANCE = """WITH moved AS (
 UPDATE spawn_log_progress AS p SET lines = k.lines, bytes = k.bytes, last_seq = k.last_seq,
 truncated_at = k.truncated_at, last_at = now()
 FROM unnest(%s::text[], %s::int[], %s::int8[], %s::int8[], %s::int8[], %s::int8[])
 AS k(command_id, attempt, lines, bytes, last_seq, truncated_at)
 WHERE p.command_id = k.command_id AND p.attempt = k.attempt)
 SELECT pg_notify(%s, said) FROM unnest(%s::text[]) AS said"""


class PostgresTables:
    def __init__(self, url: URL) -> None:
        self._link = PostgresLink(url)

    async def run(self, work: Callable[["PostgresTransaction"], Coroutine[Any, Any, T]]) -> T:
        async with self._link.transaction() as connection:
            return await work(PostgresTransaction(connection))

    async def prepare(self, days: Collection[date]) -> None:
        async with self._link.session() as connection:
            await ensure_days(connection, days)

    def cut(self) -> None:
        self._link.cut()

    async def close(self) -> None:
        await self._link.close()


class PostgresTransaction:
    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def lock(self, places: Collection[Place]) -> Mapping[Place, Reached]:
        rows = await self._rows(_LOCK, *_columns(places, 2))
        return {(row[0], row[1]): Reached(Owned(*row[6:]), *row[2:6]) for row in rows}

    async def claim(self, claims: Sequence[Claim], *, amend: bool) -> Mapping[str, Owned]:
        wanted = _columns([(c.command_id, c.namespace, c.repository, c.command_uid, c.day) for c in claims], 5)
        await self._connection.execute(_CLAIM, wanted)
        if amend:
            await self._connection.execute(_AMEND, wanted)
        rows = await self._rows(_OWNERS, wanted[0])
        return {row[0]: Owned(*row[1:]) for row in rows}

    async def begin(self, places: Collection[Place], owners: Mapping[str, Owned]) -> None:
        rows = [(*where, owners[where[0]].namespace) for where in sorted(places)]
        await self._connection.execute(_BEGIN, _columns(rows, 3))

    async def known(self, place: Place, day: date, seqs: Sequence[int]) -> AbstractSet[int]:
        return {row[0] for row in await self._rows(_KNOWN, *place, day, list(seqs))}

    async def store(self, placed: Sequence[Placed]) -> None:
        try:
            async with self._connection.cursor().copy(_COPY) as copy:
                copy.set_types(_COPY_TYPES)
                for attempt in placed:
                    for row in _line_rows(attempt):
                        await copy.write_row(row)
        except errors.UniqueViolation as error:
            raise Inconsistent(str(error)) from error
        except errors.CheckViolation as error:
            if error.diag.constraint_name is None:
                raise NoPartition({attempt.reached.owner.day for attempt in placed}) from error
            raise
        counters = _columns([(*attempt.place, *_counters(attempt.reached)) for attempt in placed], 6)
        await self._connection.execute(_ADVANCE, [*counters, LOG_CHANNEL, [_said(attempt) for attempt in placed]])

    async def _rows(self, sql: str, *parameters: Any) -> Sequence[Any]:
        return await (await self._connection.execute(sql, parameters)).fetchall()


def _columns(rows: Collection[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _counters(reached: Reached) -> tuple[int, int, int, int | None]:
    return reached.lines, reached.bytes, reached.last_seq, reached.truncated_at


def _said(attempt: Placed) -> str:
    command_id, number = attempt.place
    last = attempt.reached.last_seq
    said = {
        "command_id": command_id,
        "attempt": number,
        "namespace": attempt.reached.owner.namespace,
        "first_seq": attempt.lines[0][1].seq if attempt.lines else last + 1,
        "last_seq": last,
    }
    return json.dumps(said)


def _line_rows(attempt: Placed) -> Iterator[tuple[Any, ...]]:
    command_id, number = attempt.place
    namespace, day = attempt.reached.owner.namespace, attempt.reached.owner.day
    for batch, line in attempt.lines:
        ts = line.ts
        at = ts if ts.tzinfo is UTC else ts.astimezone(UTC)  # a zone of its own costs the driver a look-up a row
        yield (
            command_id, number, line.seq, line.stream, at, line.message, batch.epoch, batch.machine_id, namespace, day,
        )  # fmt: skip
