"""Reading log rows for people and programs: by query, after a cursor, by words. It never writes, and each question
has a bound: on rows, on the time it may take, or both.

Scope comes from the caller, who has found out what may be read; a row outside it is as if it were not there.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.bounded import bounded, single
from bugcommand_operator.store.errors import StoreRejected
from bugcommand_operator.store.lines import LogRow, Owner
from bugcommand_operator.store.queries import Filter, Order, RowQuery, Scope, named_commands, page_of, rows_matching
from bugcommand_operator.store.schema import has_days, spawn_log_owners, spawn_log_progress, spawn_logs
from bugcommand_operator.store.searching import search_in

__all__ = ["Filter", "LogReader", "Order", "RowQuery", "Scope"]

_OWNERS_KEPT = 10_000
_OWNERS_SECONDS = 10.0
_IDS_PER_QUERY = 5000


class LogReader:
    """`time_limit`: how many seconds a question may take; beyond it is `TooBroad`."""

    def __init__(self, engine: AsyncEngine, *, time_limit: float = 5.0) -> None:
        self._engine, self._single, self._time_limit = engine, single(engine), time_limit
        self._owners: dict[str, tuple[float, Owner]] = {}

    async def owners(self, command_ids: Collection[str]) -> dict[str, Owner]:
        """Whose these commands are; those without a line are absent. An answer may be some seconds old."""
        now = time.monotonic()
        wanted = set(command_ids)
        held = {key: self._owners[key] for key in wanted if key in self._owners}
        found = {key: owner for key, (until, owner) in held.items() if now < until}
        missing = sorted(wanted - found.keys())
        for start in range(0, len(missing), _IDS_PER_QUERY):
            found |= await self._owners_of(missing[start : start + _IDS_PER_QUERY], now + _OWNERS_SECONDS)
        return found

    async def rows(self, query: RowQuery) -> list[dict[str, Any]]:
        named = named_commands(query)
        owners = await self.owners(named) if named is not None else None
        statement = rows_matching(query, owners, by_day=has_days(self._engine.dialect))
        if owners is not None and not owners:
            return []
        try:
            async with bounded(self._single, self._time_limit) as connection:
                return [dict(row) for row in (await connection.execute(page_of(statement, query))).mappings()]
        except (ValueError, RecursionError, OverflowError) as error:  # a jsonb that Python's parser does not take
            raise StoreRejected(f"a row cannot be decoded: {type(error).__name__}") from error

    async def count(self, query: RowQuery, bound: int) -> int:
        """How many rows there are without limit and offset; `bound` when there are more."""
        named = named_commands(query)
        owners = await self.owners(named) if named is not None else None
        statement = rows_matching(query, owners, by_day=has_days(self._engine.dialect))
        if owners is not None and not owners:
            return 0
        some = statement.with_only_columns(next(iter(statement.get_final_froms()[0].c)))
        async with bounded(self._single, self._time_limit) as connection:
            counted = select(func.count()).select_from(some.limit(bound).subquery())
            return int((await connection.execute(counted)).scalar_one())

    async def lines_after(self, command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        """Rows in order of (attempt, seq) of which `cursor` (attempt: last seq seen) has not seen."""
        owner = (await self.owners([command_id])).get(command_id)
        if owner is None or limit <= 0:
            return []
        found: list[LogRow] = []
        async with bounded(self._engine, self._time_limit) as connection:
            for attempt in await _attempts_beyond(connection, command_id, cursor):
                after = cursor.get(attempt, 0)
                found += await _lines(connection, command_id, attempt, owner, after, limit - len(found))
                if len(found) >= limit:
                    break
        return found

    async def search(
        self,
        namespace: str,
        words: str,
        *,
        command_id: str | None = None,
        repository: str | None = None,
        limit: int = 100,
        since: datetime | None = None,
    ) -> list[LogRow]:
        """Lines that hold all these words, the newest first. Lines of the last moments may not be found yet."""
        if command_id is not None:
            owner = (await self.owners([command_id])).get(command_id)
            if owner is None or owner.namespace != namespace or repository not in (None, owner.repository):
                return []
        scope = (namespace, None if command_id is not None else repository, command_id)
        async with bounded(self._engine, self._time_limit, tell=True) as connection:
            return await search_in(connection, scope, words, limit=limit, since=since)

    async def _owners_of(self, command_ids: Sequence[str], until: float) -> dict[str, Owner]:
        owner = spawn_log_owners.c
        wanted = select(owner.command_id, owner.namespace, owner.repository, owner.day, owner.command_uid)
        wanted = wanted.where(owner.command_id.in_(command_ids), owner.expired_at.is_(None))
        async with bounded(self._single, self._time_limit) as connection:
            found = {row[0]: Owner(*row[1:]) for row in await connection.execute(wanted)}
        if len(self._owners) + len(found) > _OWNERS_KEPT:
            self._owners.clear()
        self._owners.update((key, (until, one)) for key, one in found.items())
        return found


async def _attempts_beyond(connection: AsyncConnection, command_id: str, cursor: Mapping[int, int]) -> list[int]:
    table = spawn_log_progress.c
    reached = select(table.attempt, table.last_seq).where(table.command_id == command_id).order_by(table.attempt)
    return [attempt for attempt, last in await connection.execute(reached) if last > cursor.get(attempt, 0)]


async def _lines(
    connection: AsyncConnection, command_id: str, attempt: int, owner: Owner, after: int, limit: int
) -> list[LogRow]:
    table = spawn_logs.c
    page = select(*spawn_logs.columns).where(
        table.command_id == command_id, table.attempt == attempt, table.seq > after
    )
    if has_days(connection.dialect):
        page = page.where(table.day == owner.day)
    return [LogRow(*row) for row in await connection.execute(page.order_by(table.seq).limit(limit))]
