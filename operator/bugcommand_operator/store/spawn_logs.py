"""The log lines in SQL, for SQLite and Postgres alike: the one place that reads and writes `spawn_logs`.

An append is one transaction: lines, counters and ownership agree at any moment, and what it returned from is
committed. It may not decide who may write; it only keeps a command id with the namespace that used it first.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.engine import is_missing_table, own_errors, sqlite_path
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import Appended, AttemptKey, LogBatch, LogLine, LogRow, Progress, Refusal
from bugcommand_operator.store.schema import as_text, spawn_log_owners, spawn_log_progress, spawn_logs
from bugcommand_operator.store.statements import advance_progress, for_driver, insert_ignore

_IDS_PER_QUERY = 5000  # SQLite allows 32,766 parameters in a statement
_OWNERS_KEPT = 10_000


class SpawnLogs:
    """A `LogSink` and a `LogSource` over one engine. With a reader's engine only the latter works."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._owners: dict[str, str] = {}  # command id: namespace, as committed; asking each time costs half a commit

    async def append(self, batches: Sequence[LogBatch]) -> Appended:
        keys = {batch.key for batch in batches}
        with own_errors():
            async with self._engine.begin() as connection:
                unsure = {key for key in keys if self._owners.get(key.command_id) != key.namespace}
                refused = await _refused(connection, unsure) if unsure else frozenset()
                accepted = [batch for batch in batches if batch.key not in refused]
                new_lines = await _insert(connection, accepted) if accepted else 0
        self._remember_owners(unsure - refused)
        theirs = {i: Refusal.ANOTHER_NAMESPACE for i, batch in enumerate(batches) if batch.key in refused}
        return Appended(new_lines, theirs, tuple(accepted))

    def _remember_owners(self, keys: AbstractSet[AttemptKey]) -> None:
        if len(self._owners) + len(keys) > _OWNERS_KEPT:
            self._owners.clear()
        self._owners.update((key.command_id, key.namespace) for key in keys)

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
        columns = select(table.namespace, table.command_id, table.attempt, table.lines, table.last_seq)
        wanted = list(command_ids)
        found: dict[AttemptKey, Progress] = {}
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = table.command_id.in_(wanted[start : start + _IDS_PER_QUERY])
            for namespace, command_id, attempt, lines, last in await self._rows(columns.where(some)):
                found[AttemptKey(namespace, command_id, attempt)] = Progress(lines, last)
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


async def _refused(connection: AsyncConnection, keys: set[AttemptKey]) -> frozenset[AttemptKey]:
    """Take the command ids that nobody has yet; name the keys whose command id is another namespace's."""
    claims = [{"command_id": key.command_id, "namespace": key.namespace} for key in sorted(keys)]
    await connection.execute(insert_ignore(connection.dialect, spawn_log_owners), claims)
    owner = spawn_log_owners.c
    wanted = owner.command_id.in_({key.command_id for key in keys})
    found = await connection.execute(select(owner.command_id, owner.namespace).where(wanted))
    owners = {row.command_id: row.namespace for row in found}
    return frozenset(key for key in keys if owners.get(key.command_id) != key.namespace)


async def _insert(connection: AsyncConnection, batches: Sequence[LogBatch]) -> int:
    """Insert, then advance the counters: by what was sent when all of it was new, else by counting anew."""
    rows = [row for batch in batches for row in _rows_of(batch, connection.dialect)]
    rows.sort(key=itemgetter(0, 1, 2))  # one order for all, or two writers of a Postgres could deadlock
    sql, parameters = for_driver(connection.dialect, rows)
    new_lines = (await connection.exec_driver_sql(sql, parameters)).rowcount
    advances, by_sent = _advances(batches), advance_progress(connection.dialect, count_again=False)
    if new_lines == len(rows):
        await connection.execute(by_sent, advances)
    else:  # lock the counters first: a count must not miss what another writer of a Postgres has just committed
        await connection.execute(by_sent, [{**advance, "lines": 0} for advance in advances])
        await connection.execute(advance_progress(connection.dialect, count_again=True), advances)
    return max(new_lines, 0)


def _rows_of(batch: LogBatch, dialect: Dialect) -> Iterator[tuple[Any, ...]]:
    """The batch's rows in the order of the table's columns, with values as the driver takes them."""
    command_id, attempt, namespace = batch.key.command_id, batch.key.attempt, batch.key.namespace
    epoch, machine_id = batch.epoch, batch.machine_id
    stamp: Callable[[datetime], Any] = as_text if dialect.name == "sqlite" else lambda moment: moment
    for line in batch.lines:
        at = stamp(line.ts)
        yield command_id, attempt, line.seq, line.stream, at, line.message, epoch, machine_id, namespace, "1970-01-01"


def _advances(batches: Sequence[LogBatch]) -> list[dict[str, Any]]:
    """Per attempt: how many lines were sent and the highest sequence among them."""
    lines: dict[AttemptKey, set[int]] = defaultdict(set)
    for batch in batches:
        lines[batch.key].update(line.seq for line in batch.lines)
    return [
        {
            "command_id": key.command_id,
            "attempt": key.attempt,
            "namespace": key.namespace,
            "lines": len(sequences),
            "last_seq": max(sequences),
        }
        for key, sequences in sorted(lines.items())
    ]
