"""Recordings of terminal sessions, part by part. The first write of a part wins; whose a command id is, its log says.

It may not decide who may write; like the lines, it only keeps a command id with the object that used it first.
"""

from typing import Any

from sqlalchemy import LargeBinary, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.deadline import within
from bugcommand_operator.store.engine import is_sqlite, own_errors
from bugcommand_operator.store.lines import AttemptKey, Refusal
from bugcommand_operator.store.schema import spawn_log_owners, spawn_recordings

DEFAULT_CAP = 16 << 20
_TIME_LIMIT = 15.0


class NoLog(Exception):
    """No line of this command is stored yet, so nobody knows whose it is: temporary."""


class RecordingFull(Exception):
    """The attempt's recording has reached its bound; this part will never be kept."""


class Recordings:
    """The writing side. `cap`: how many bytes of an attempt are kept."""

    def __init__(self, engine: AsyncEngine, *, cap: int = DEFAULT_CAP) -> None:
        self._engine, self._cap = engine, cap
        # A connection to SQLite that is dropped in a transaction may keep the one lock of all who write.
        self._cut = None if is_sqlite(str(engine.url)) else _nothing_more

    async def keep(self, key: AttemptKey, command_uid: str, part: int, data: str) -> Refusal | None:
        """Store a part, unless it is there; or why it was refused."""
        with own_errors():
            return await within(_TIME_LIMIT, self._keep(key, command_uid, part, data), self._cut)

    async def _keep(self, key: AttemptKey, command_uid: str, part: int, data: str) -> Refusal | None:
        async with self._engine.begin() as connection:
            refusal = await _refusal(connection, key, command_uid)
            if refusal is None:
                await self._insert(connection, key, part, data)
            return refusal

    async def _insert(self, connection: AsyncConnection, key: AttemptKey, part: int, data: str) -> None:
        table = spawn_recordings.c
        of_attempt = (table.command_id == key.command_id, table.attempt == key.attempt)
        there = select(table.part).where(*of_attempt, table.part == part)
        if (await connection.execute(there)).first() is not None:
            return
        size = _bytes_of(table.data, connection.dialect.name)
        stored = (await connection.execute(select(func.coalesce(func.sum(size), 0)).where(*of_attempt))).scalar_one()
        if stored + len(data.encode()) > self._cap:
            raise RecordingFull
        row = {"command_id": key.command_id, "attempt": key.attempt, "part": part, "namespace": key.namespace}
        insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        await connection.execute(insert(spawn_recordings).values(**row, data=data).on_conflict_do_nothing())


def _nothing_more() -> None:
    """Being cancelled is enough."""


async def _refusal(connection: AsyncConnection, key: AttemptKey, command_uid: str) -> Refusal | None:
    owner = spawn_log_owners.c
    columns = select(owner.namespace, owner.command_uid, owner.expired_at)
    # Locked against its end: parts that came after the deletion of the others would stay for ever.
    found = await connection.execute(columns.where(owner.command_id == key.command_id).with_for_update(read=True))
    row = found.first()
    if row is None:
        raise NoLog
    if row.namespace != key.namespace:
        return Refusal.ANOTHER_NAMESPACE
    if row.command_uid and command_uid and row.command_uid != command_uid:
        return Refusal.ANOTHER_COMMAND
    return Refusal.BEING_DELETED if row.expired_at is not None else None


def _bytes_of(column: Any, dialect: str) -> Any:
    return func.length(cast(column, LargeBinary)) if dialect == "sqlite" else func.octet_length(column)
