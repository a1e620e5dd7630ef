"""A table for each day of lines in Postgres: made ahead, found missing, taken away. SQLite keeps one table.

Neither making nor taking away stops the intake: a table is made beside the others and then attached, and detached
before it is dropped; attaching and detaching wait for each other, not for writers. Only writers of the same kind
take turns, by an advisory lock.
"""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from psycopg import AsyncConnection, sql

_TURN = 0x6D656E7475  # "mentu": a number that all gateways share
_PREFIX = "spawn_logs_"
_EXISTING = """SELECT c.relname, i.inhdetachpending FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'spawn_logs'::regclass"""


def partition_of(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"


def day_of(partition: str) -> date | None:
    """The day of a partition that this module has made."""
    digits = partition.removeprefix(_PREFIX)
    if not partition.startswith(_PREFIX) or len(digits) != 8 or not digits.isdigit():
        return None
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


async def ensure_days(connection: AsyncConnection[Any], days: Collection[date]) -> list[date]:
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


async def existing_days(connection: AsyncConnection[Any]) -> list[date]:
    rows = await (await connection.execute(_EXISTING)).fetchall()
    return [day for name, detaching in rows if not detaching and (day := day_of(name)) is not None]


async def _make(connection: AsyncConnection[Any], day: date) -> None:
    """Beside the others with the same indexes and a check of its day, so that attaching has nothing to look at."""
    names = {
        "table": sql.Identifier(partition_of(day)),
        "from_": sql.Literal(day.isoformat()),
        "to": sql.Literal((day + timedelta(days=1)).isoformat()),
    }
    for statement in (
        "DROP TABLE IF EXISTS {table}",
        "CREATE TABLE {table} (LIKE spawn_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,"
        " CHECK (day >= {from_} AND day < {to}))",
        "ALTER TABLE spawn_logs ATTACH PARTITION {table} FOR VALUES FROM ({from_}) TO ({to})",
    ):
        await connection.execute(sql.SQL(statement).format(**names))


async def drop_day(connection: AsyncConnection[Any], day: date) -> None:
    """Take the day's rows away, all at once. Outside of a transaction; what was interrupted is finished by the next."""
    rows = await (await connection.execute(_EXISTING)).fetchall()
    pending = dict(rows).get(partition_of(day))
    table = sql.Identifier(partition_of(day))
    await connection.execute("SET lock_timeout = '5s'")
    if pending is not None:
        how = "FINALIZE" if pending else "CONCURRENTLY"
        await connection.execute(sql.SQL(f"ALTER TABLE spawn_logs DETACH PARTITION {{}} {how}").format(table))
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
