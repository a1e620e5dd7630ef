"""The end of logs whose time is over, in pieces so small that the intake does not notice.

A command's log ends as a whole, some days after its last line was written. First it is marked, under the locks that
a writer takes; from then on nothing is added to it and readers do not find it. Then its lines go: with their day's
partition when all that is in it has ended, else some at a time. What says whose it was goes last, so that what was
interrupted is found again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, false, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.engine import own_errors
from bugcommand_operator.store.partitions import all_days, autocommit, drop_day
from bugcommand_operator.store.schema import (
    has_days,
    spawn_log_chunks,
    spawn_log_indexed,
    spawn_log_owners,
    spawn_log_progress,
    spawn_logs,
    spawn_recordings,
)

_MARKED_AT_ONCE = 200
_ENDED_AT_ONCE = 20
_LINES_AT_ONCE = {"sqlite": 1000, "postgresql": 5000}
_CHUNKS_AT_ONCE = 200
_PIECES = 20
_PAUSE_SECONDS = 0.02  # in which the intake of a SQLite gets the lock
_SAFELY_OVER = timedelta(days=2)  # no gateway's clock gives a new command this day any more

_owner, _progress = spawn_log_owners.c, spawn_log_progress.c


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Days after the last line; 0: for ever. `repositories`: (namespace, repository) and its own number of days.
    `namespaces`: those whose Repositories are known, so that the default holds there; None: everywhere."""

    default_days: int
    repositories: Mapping[tuple[str, str], int] = field(default_factory=dict)
    namespaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """What a piece of work did, and whether there is more of it at once."""

    marked: int = 0
    commands: int = 0
    lines: int = 0
    partitions: int = 0
    more: bool = False


async def expire(engine: AsyncEngine, policy: RetentionPolicy, *, now: datetime | None = None) -> Expired:
    """A bounded amount of it, in small transactions. Call it again while there is `more`."""
    moment = now or datetime.now(UTC)
    with own_errors():
        if marked := await _mark(engine, policy, moment):
            return Expired(marked=marked, more=True)
        if engine.dialect.name != "sqlite" and (dropped := await _drop_a_day(engine, moment.date())):
            return Expired(partitions=dropped, more=True)
        return await _delete(engine)


# Marking


async def _mark(engine: AsyncEngine, policy: RetentionPolicy, now: datetime) -> int:
    marked = 0
    await _begin_time(engine, now)
    for days, where in _rules(policy):
        before = now - timedelta(days=days)
        for command_id in await _over(engine, where, before, _MARKED_AT_ONCE - marked):
            marked += await _mark_one(engine, command_id, before, now)
        if marked >= _MARKED_AT_ONCE:
            break
    return marked


async def _begin_time(engine: AsyncEngine, now: datetime) -> None:
    """Of attempts that a version has written which did not write down when."""
    timeless = _progress.last_at.is_(None)
    async with engine.connect() as connection:
        if (await connection.execute(select(_progress.attempt).where(timeless).limit(1))).first() is None:
            return
    async with engine.begin() as connection:
        await connection.execute(update(spawn_log_progress).where(timeless).values(last_at=now))


def _rules(policy: RetentionPolicy) -> list[tuple[int, Any]]:
    """How many days, and for which owners. Each is a question of its own, so that those with much time before them
    do not stand in the way of those whose time is over."""
    special = sorted(policy.repositories)
    rules: list[tuple[int, Any]] = [
        (policy.repositories[key], and_(_owner.namespace == key[0], _owner.repository == key[1])) for key in special
    ]
    others = ~tuple_(_owner.namespace, _owner.repository).in_(special) if special else ~false()
    if policy.namespaces is not None:
        others = and_(others, _owner.namespace.in_(sorted(policy.namespaces)))
    return [(days, where) for days, where in [*rules, (policy.default_days, others)] if days > 0]


async def _over(engine: AsyncEngine, where: Any, before: datetime, most: int) -> list[str]:
    last = func.max(_progress.last_at)
    query = (
        select(_owner.command_id)
        .outerjoin(spawn_log_progress, _progress.command_id == _owner.command_id)
        .where(where, _owner.expired_at.is_(None), _owner.day <= before.date())
        .group_by(_owner.command_id)
        .having(or_(last < before, and_(last.is_(None), func.max(_owner.created_at) < before)))
        .limit(most)
    )
    async with engine.connect() as connection:
        return list((await connection.execute(query)).scalars())


async def _mark_one(engine: AsyncEngine, command_id: str, before: datetime, now: datetime) -> int:
    """Under the locks of whoever writes, in their order; who is writing now keeps the log alive."""
    async with _writing(engine) as connection:
        free = select(_progress.attempt).where(_progress.command_id == command_id).with_for_update(skip_locked=True)
        await connection.execute(free)
        mine = select(_owner.command_id).where(_owner.command_id == command_id, _owner.expired_at.is_(None))
        if (await connection.execute(mine.with_for_update(skip_locked=True))).first() is None:
            return 0
        locked = (await connection.execute(free)).scalars().all()
        every = select(_progress.attempt, _progress.last_at).where(_progress.command_id == command_id)
        attempts = (await connection.execute(every)).all()
        if len(locked) < len(attempts) or any(row.last_at >= before for row in attempts):
            return 0
        await connection.execute(update(spawn_log_owners).where(_owner.command_id == command_id).values(expired_at=now))
        ended = update(spawn_log_progress).where(_progress.command_id == command_id).values(expired_at=now)
        await connection.execute(ended)
        return 1


# Deleting


async def _drop_a_day(engine: AsyncEngine, today: date) -> int:
    """The partition of a day of which no log is left that has not ended."""
    async with autocommit(engine) as driver:
        days = [day for day in await all_days(driver) if day < today - _SAFELY_OVER]
        for day in days:
            alive = "SELECT 1 FROM spawn_log_owners WHERE day = %s AND expired_at IS NULL LIMIT 1"
            if await (await driver.execute(alive, (day,))).fetchone() is None:
                return int(await drop_day(driver, day))
    return 0


async def _delete(engine: AsyncEngine) -> Expired:
    commands = lines = 0
    for _ in range(_PIECES):
        done = await _delete_some(engine)
        commands, lines = commands + done.commands, lines + done.lines
        if not done.more:
            return Expired(commands=commands, lines=lines)
        await asyncio.sleep(_PAUSE_SECONDS)
    return Expired(commands=commands, lines=lines, more=True)


async def _delete_some(engine: AsyncEngine) -> Expired:
    ended = select(_owner.command_id, _owner.day).where(_owner.expired_at.is_not(None)).limit(_ENDED_AT_ONCE)
    async with engine.connect() as connection:
        commands = (await connection.execute(ended)).all()
    lines = done = 0
    for command in commands:
        lines += (deleted := await _delete_lines(engine, command.command_id, command.day))
        if deleted or await _delete_chunks(engine, command.command_id, command.day):
            return Expired(commands=done, lines=lines, more=True)
        done += await _forget(engine, command.command_id, command.day)
    return Expired(commands=done, lines=lines, more=len(commands) == _ENDED_AT_ONCE)


def _ended(command_id: str, day: date) -> Select[Any]:
    """Asked anew in each transaction: another gateway may have finished, and a new log begun under the same id. The
    lock is one that stands in the way of forgetting, but not of those who write or index."""
    ended = (_owner.command_id == command_id, _owner.day == day, _owner.expired_at.is_not(None))
    return select(_owner.command_id).where(*ended).with_for_update(read=True)


async def _delete_lines(engine: AsyncEngine, command_id: str, day: date) -> int:
    """Some lines of one attempt, from the first on."""
    table = spawn_logs.c
    of_command = [table.command_id == command_id, *([table.day == day] if has_days(engine.dialect) else [])]
    async with _writing(engine) as connection:
        if (await connection.execute(_ended(command_id, day))).first() is None:
            return 0
        first = select(table.attempt, table.seq).where(*of_command).order_by(table.attempt, table.seq).limit(1)
        found = (await connection.execute(first)).first()
        if found is None:
            return 0
        end = found.seq + _LINES_AT_ONCE[engine.dialect.name]
        piece = (*of_command, table.attempt == found.attempt, table.seq >= found.seq, table.seq < end)
        return (await connection.execute(delete(spawn_logs).where(*piece))).rowcount


async def _delete_chunks(engine: AsyncEngine, command_id: str, day: date) -> int:
    chunk = spawn_log_chunks.c
    async with _writing(engine) as connection:
        if (await connection.execute(_ended(command_id, day))).first() is None:
            return 0
        # First its turn is taken from whoever is indexing: after that nobody begins, for its owner has ended.
        indexed = delete(spawn_log_indexed).where(spawn_log_indexed.c.command_id == command_id)
        await connection.execute(indexed)
        some = select(chunk.id, chunk.words).where(chunk.command_id == command_id).limit(_CHUNKS_AT_ONCE)
        if engine.dialect.name == "sqlite":
            from bugcommand_operator.store.indexing_sqlite import forgetting

            rows = (await connection.execute(some)).all()
            for row in rows:
                for statement, values in forgetting(row.id, row.words):
                    await connection.exec_driver_sql(statement, values)
            return len(rows)
        gone = delete(spawn_log_chunks).where(chunk.id.in_(some.with_only_columns(chunk.id)))
        return (await connection.execute(gone)).rowcount


async def _forget(engine: AsyncEngine, command_id: str, day: date) -> int:
    """In the order of a writer's locks: progress, then owner. How many commands: none if it is a new log by now."""
    async with _writing(engine) as connection:
        of_command = select(_progress.attempt).where(_progress.command_id == command_id)
        await connection.execute(of_command.order_by(_progress.attempt).with_for_update())
        if (await connection.execute(_ended(command_id, day).with_for_update())).first() is None:
            return 0
        for table in (spawn_recordings, spawn_log_progress, spawn_log_owners):
            await connection.execute(delete(table).where(table.c.command_id == command_id))
        return 1


@asynccontextmanager
async def _writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        await connection.commit()
