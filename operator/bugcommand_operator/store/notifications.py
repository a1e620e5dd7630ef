"""LISTEN on Postgres, for ever: what is announced, and when the line was cut and is there again.

What is announced while the line is cut is lost, so `Connected` tells the listener to look at the tables itself.
SQLite has one writing process and needs none of this.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from sqlalchemy.engine import make_url

LOG_CHANNEL = "mentu_spawn_logs"
"""`{"command_id", "attempt", "namespace", "first_seq", "last_seq"}` for each attempt of each commit: the first line
that is new in it, and the last of the attempt."""

BRIDGE_CHANNEL = "mentu_bridge_commands"
"""`{"op": "insert" | "update", "id", "status"}` for each row, whoever wrote it."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_QUIET_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Connected:
    """Listening from now on; anything may have happened before."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Not listening; it will be tried again."""

    error: str


@dataclass(frozen=True, slots=True)
class Notification:
    channel: str
    payload: str


Event = Connected | Disconnected | Notification


async def listen(url: str, channels: Sequence[str]) -> AsyncGenerator[Event, None]:
    """Events until the caller stops asking. Close it (`contextlib.aclosing`) to end the connection."""
    import psycopg

    wait = _FIRST_WAIT
    while True:
        try:
            async with aclosing(_connection(url, channels)) as events:
                async for event in events:
                    wait = _FIRST_WAIT
                    yield event
        except (psycopg.Error, OSError, TimeoutError) as error:
            yield Disconnected(str(error).strip() or type(error).__name__)
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


async def _connection(url: str, channels: Sequence[str]) -> AsyncGenerator[Event, None]:
    """The events of one connection, until it fails. One that only seems to be there is found by asking."""
    import psycopg
    from psycopg import sql

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await psycopg.AsyncConnection.connect(plain, autocommit=True, connect_timeout=10)
    async with connection:
        for channel in channels:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield Connected()
        while True:
            async with aclosing(connection.notifies(timeout=_QUIET_SECONDS)) as notifies:
                async for found in notifies:
                    yield Notification(found.channel, found.payload)
            async with asyncio.timeout(_QUIET_SECONDS):
                await connection.execute("SELECT 1")
