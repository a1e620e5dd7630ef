"""The log lines in SQL, for SQLite and Postgres alike: what writes `spawn_logs`, and the reads of the operator.

An append is one transaction, and what it returned from is committed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.appending import append_in
from bugcommand_operator.store.deadline import within
from bugcommand_operator.store.engine import is_missing_table, is_sqlite, own_errors, sqlite_path
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import Appended, AttemptKey, LogBatch, LogLine, LogRow, Progress
from bugcommand_operator.store.schema import spawn_log_progress, spawn_logs
from bugcommand_operator.store.tables import Inconsistent, NoPartition, Tables
from bugcommand_operator.store.tables_sqlite import SqliteTables

_IDS_PER_QUERY = 5000  # SQLite allows 32,766 parameters in a statement
_TRIES = 3
DEFAULT_CAP = 256 << 20


class SpawnLogs:
    """A `LogSink` and a `LogSource` over one engine. With a reader's engine only the latter works.

    `cap`: how many bytes of an attempt are kept, 0 for all. `time_limit`: how long an append may take, in seconds;
    beyond it the lines may or may not have been stored, and sending them again is right in both cases.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        cap: int = DEFAULT_CAP,
        time_limit: float = 15.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine, self._cap, self._time_limit, self._clock = engine, cap, time_limit, clock
        self._tables: Tables | None = None
        self._prepared: set[object] = set()

    async def append(self, batches: Sequence[LogBatch]) -> Appended:
        tables = self._tables = self._tables or _tables_of(self._engine)
        with own_errors():
            return await within(self._time_limit, self._append(tables, batches), tables.cut)

    async def close(self) -> None:
        """End what an append has opened. The engine stays open."""
        if self._tables is not None:
            await self._tables.close()

    async def _append(self, tables: Tables, batches: Sequence[LogBatch]) -> Appended:
        today, distrust = self._clock().date(), False
        if today not in self._prepared:
            await tables.prepare([today])
            self._prepared = {today}
        for _ in range(_TRIES):
            try:
                return await tables.run(
                    partial(append_in, batches=batches, today=today, cap=self._cap, distrust=distrust)
                )
            except NoPartition as missing:
                await tables.prepare(missing.days)
            except Inconsistent:
                distrust = True
        raise StoreUnavailable("the tables change under the writer's hands")

    async def tail(self, key: AttemptKey, limit: int) -> list[LogLine]:
        table = spawn_logs.c
        newest_first = (
            select(table.seq, table.stream, table.ts, table.message)
            .where(table.command_id == key.command_id, table.attempt == key.attempt)
            .where(table.namespace == key.namespace)
            .order_by(table.seq.desc())
            .limit(limit)
        )
        return [LogLine(*row) for row in reversed(await self._rows(newest_first))]

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]:
        table = spawn_log_progress.c
        columns = select(
            table.namespace, table.command_id, table.attempt, table.lines, table.last_seq, table.truncated_at
        )
        wanted = list(command_ids)
        found: dict[AttemptKey, Progress] = {}
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = table.command_id.in_(wanted[start : start + _IDS_PER_QUERY])
            for namespace, command_id, attempt, lines, last, end in await self._rows(columns.where(some)):
                found[AttemptKey(namespace, command_id, attempt)] = Progress(lines, last, end is not None)
        return found

    async def read(
        self,
        command_id: str,
        *,
        namespace: str | None = None,
        attempt: int | None = None,
        after: tuple[int, int] = (0, 0),
        limit: int = 1000,
    ) -> list[LogRow]:
        table = spawn_logs.c
        page = select(*spawn_logs.columns).where(table.command_id == command_id)
        page = page.where(tuple_(table.attempt, table.seq) > tuple_(*after))
        if namespace is not None:
            page = page.where(table.namespace == namespace)
        if attempt is not None:
            page = page.where(table.attempt == attempt)
        rows = await self._rows(page.order_by(table.attempt, table.seq).limit(limit))
        return [LogRow(*row) for row in rows]

    async def _rows(self, query: Any) -> Sequence[Any]:
        """A database that is not there yet has no lines yet: the reader may start before the writer."""
        try:
            with own_errors():
                async with self._engine.connect() as connection:
                    return (await connection.execute(query)).all()
        except StoreUnavailable as error:
            if is_missing_table(error) or _file_is_missing(self._engine):
                return []
            raise


def _file_is_missing(engine: AsyncEngine) -> bool:
    path = sqlite_path(str(engine.url))
    return path is not None and not path.exists()


def _tables_of(engine: AsyncEngine) -> Tables:
    if is_sqlite(str(engine.url)):
        return SqliteTables(engine)
    from bugcommand_operator.store.tables_postgres import PostgresTables

    return PostgresTables(engine.url)
