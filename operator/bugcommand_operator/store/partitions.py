"""A table for each day of lines in Postgres: made ahead, found missing, taken away. SQLite keeps one table.

Neither making nor taking away stops the intake: a table is made beside the others and then attached, and detached
before it is dropped; attaching and detaching wait for each other, not for writers. Makers take turns by an
advisory lock that nobody else takes.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.engine import own_errors

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_TURN = 0x6D656E7475  # "mentu": a number that all gateways share
_DROPPING = _TURN + 1
_PREFIX = "spawn_logs_"
_EXISTING = """SELECT c.relname, i.inhdetachpending FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'spawn_logs'::regclass"""

_TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'spawn_logs_%' AND pg_table_is_visible(oid)"
)


def partition_of(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"


def day_of(partition: str) -> date | None:
    """The day of a partition that this module has made."""
    digits = partition.removeprefix(_PREFIX)
    if not partition.startswith(_PREFIX) or len(digits) != 8 or not digits.isdigit():
        return None
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


async def ensure_ahead(engine: AsyncEngine, today: date, days: int = 3) -> list[date]:
    """Make the partitions of today and the days after it. The days that were missing."""
    if engine.dialect.name == "sqlite":
        return []
    async with autocommit(engine) as connection:
        return await ensure_days(connection, [today + timedelta(days=ahead) for ahead in range(days + 1)])


async def ensure_days(connection: "AsyncConnection[Any]", days: Collection[date]) -> list[date]:
    """Make the partitions that are missing of these days, on a connection outside of a transaction. Many may do so
    at once; each gets what it asked for."""
    missing = sorted(set(days) - set(await existing_days(connection)))
    if not missing:
        return []
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
        missing = sorted(set(missing) - set(await existing_days(connection)))
        for day in missing:
            await _make(connection, day)
    return missing


async def existing_days(connection: "AsyncConnection[Any]") -> list[date]:
    rows = await (await connection.execute(_EXISTING)).fetchall()
    return [day for name, detaching in rows if not detaching and (day := day_of(name)) is not None]


async def _make(connection: "AsyncConnection[Any]", day: date) -> None:
    """Beside the others with the same indexes and a check of its day, so that attaching has nothing to look at."""
    table, after = partition_of(day), day + timedelta(days=1)
    for statement in (
        f"DROP TABLE IF EXISTS {table}",  # detached, and then somebody was interrupted
        f"CREATE TABLE {table} (LIKE spawn_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,"
        f" CHECK (day >= '{day}' AND day < '{after}'))",
        f"ALTER TABLE spawn_logs ATTACH PARTITION {table} FOR VALUES FROM ('{day}') TO ('{after}')",
    ):
        await connection.execute(statement.encode())


async def all_days(connection: "AsyncConnection[Any]") -> list[date]:
    """Of existing partitions, and of those that somebody was interrupted in taking away."""
    rows = await (await connection.execute(_TABLES)).fetchall()
    return sorted(day for (name,) in rows if (day := day_of(name)) is not None)


async def drop_day(connection: "AsyncConnection[Any]", day: date) -> bool:
    """Take the day's rows away, all at once. Outside of a transaction. False: somebody else is at it or in the way;
    what was left half way is finished by the next."""
    turn = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_DROPPING,))).fetchone()
    if turn != (True,):
        return False
    try:
        await connection.execute("SET lock_timeout = '5s'")
        return await _drop(connection, partition_of(day))
    finally:
        await connection.execute("RESET lock_timeout")
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_DROPPING,))


async def _drop(connection: "AsyncConnection[Any]", table: str) -> bool:
    from psycopg.errors import LockNotAvailable

    pending = dict(await (await connection.execute(_EXISTING)).fetchall()).get(table)
    try:
        if pending is not None:
            how = "FINALIZE" if pending else "CONCURRENTLY"
            await connection.execute(f"ALTER TABLE spawn_logs DETACH PARTITION {table} {how}".encode())
        await connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
    except LockNotAvailable:
        return False
    return True


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator["AsyncConnection[Any]"]:
    """The driver's connection outside of a transaction, which is where partitions are taken away."""
    with own_errors():
        async with engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver: Any = (await outside.get_raw_connection()).driver_connection
            yield driver
