"""One connection to Postgres for one writer, made anew whenever it fails.

The pool of an engine cannot serve here: COPY goes past it, and it would ask before each transaction whether the
connection is still good. Here the line itself is looked at.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from psycopg import AsyncConnection, Error, OperationalError
from sqlalchemy.engine import URL

KEEPALIVE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Without them a host that has vanished is noticed after hours."""

_SESSION = (
    "SET lock_timeout = '8s'",
    "SET idle_in_transaction_session_timeout = '30s'",  # the locks of a gateway that has vanished are given back
)


class PostgresLink:
    def __init__(self, url: URL) -> None:
        self._url = plain(url)
        self._connection: AsyncConnection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        async with self.session() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection[Any]]:
        """The connection, outside of a transaction. It does not outlive an interruption or a doubt."""
        async with self._one_at_a_time:
            connection = await self._connected()
            try:
                yield connection
            except BaseException as error:
                if not isinstance(error, Exception) or isinstance(error, (OperationalError, OSError)):
                    self.cut()
                raise

    def cut(self) -> None:
        """End it at once, whoever waits for it. Its waiters get an error; the server finds the line closed."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or not is_whole(self._connection):
            self._connection = None
            made = await AsyncConnection.connect(self._url, autocommit=True, **KEEPALIVE)
            for statement in _SESSION:
                await made.execute(statement)
            self._connection = made
        return self._connection


def plain(url: URL) -> str:
    """The URL as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def is_whole(connection: AsyncConnection[Any]) -> bool:
    """Whether the other side has not hung up meanwhile; it asks nobody. A server that ends says so before it hangs
    up: the second look finds out."""
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except Error:
        return False
    return not connection.closed
