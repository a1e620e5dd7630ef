"""Engines, with what SQLite needs to be a dependable log store: WAL, a bounded wait for locks, and a reader
that can look while the one writing process writes. Nothing here knows a table."""

import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, IntegrityError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bugcommand_operator.store.errors import StoreError, StoreFull, StoreRejected, StoreUnavailable

Synchronous = Literal["NORMAL", "FULL"]
_FULL = re.compile(r"disk is full|no space left|disk full|could not extend file", re.IGNORECASE)
_REFUSED = (DataError, IntegrityError, sqlite3.DataError, sqlite3.IntegrityError)
_NO_SENSE = frozenset({"42883", "42804"})  # no such operator for these types, types that do not fit
_OWN_CONNECTION = "mentu_own_connection"
_NOT_YET = re.compile(r"no such table|relation \"\w+\" does not exist", re.IGNORECASE)


_READER = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET statement_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_path(url: str) -> Path | None:
    """The file behind a URL; None when it is another database or lives in memory."""
    parsed = make_url(url)
    named = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database).removeprefix("file:")) if named else None


def open_writer(url: str, *, synchronous: Synchronous, lock_wait_seconds: float = 5.0) -> AsyncEngine:
    """An engine that writes. With SQLite only one process may hold one (that is the gateway)."""
    if not is_sqlite(url):
        return _postgres(url, ("SET idle_in_transaction_session_timeout = '60s'",))
    pragmas = (
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={synchronous}",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA journal_size_limit={64 << 20}",  # a long reader may let the WAL grow; afterwards it shrinks again
    )
    return _sqlite(make_url(url), lock_wait_seconds, pragmas)


def open_reader(url: str, *, lock_wait_seconds: float = 5.0) -> AsyncEngine:
    """An engine that cannot write, and that does not create a file which is not there yet."""
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, _READER, isolation_level="REPEATABLE READ")
    read_only = URL.create(make_url(url).drivername, database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    return _sqlite(read_only, lock_wait_seconds, ("PRAGMA query_only=ON", "PRAGMA case_sensitive_like=ON"))


class _Whole(sqlite3.Connection):
    """Its statements end when it is closed. A cursor that the exception of whoever was cancelled still refers to would
    keep a snapshot, and the WAL growing, until the garbage collector comes by."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self) -> sqlite3.Cursor:  # type: ignore[override]
        made = super().cursor()
        self._cursors.add(made)
        return made

    def close(self) -> None:
        for cursor in tuple(self._cursors):
            cursor.close()
        super().close()


def _interrupt(connection: Any, _record: Any, _error: Any) -> None:
    """Nobody waits any more for what is under way, as when a reader is cancelled: closing has not to wait for it."""
    with suppress(ValueError, sqlite3.ProgrammingError):  # closed already
        connection.driver_connection._conn.interrupt()


def _sqlite(url: URL, lock_wait_seconds: float, pragmas: Sequence[str]) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": lock_wait_seconds, "factory": _Whole})
    _on_connect(engine, pragmas)
    event.listen(engine.sync_engine, "invalidate", _interrupt)
    path = sqlite_path(str(url))
    name = f"file:{quote(str(path))}?mode={url.query.get('mode', 'rwc')}"
    own = partial(_open_sqlite, name, lock_wait_seconds, pragmas)
    engine.sync_engine.update_execution_options(**{_OWN_CONNECTION: own})
    return engine


def sqlite_connector(engine: AsyncEngine) -> Callable[[], sqlite3.Connection]:
    """What opens a plain connection, in whichever thread calls it, with the settings of the engine's own."""
    connector: Callable[[], sqlite3.Connection] = engine.sync_engine.get_execution_options()[_OWN_CONNECTION]
    return connector


def _open_sqlite(name: str, lock_wait_seconds: float, pragmas: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, uri=True, timeout=lock_wait_seconds, isolation_level=None, check_same_thread=False
    )
    for statement in pragmas:
        connection.execute(statement)
    return connection


def _postgres(url: str, settings: tuple[str, ...], *, isolation_level: str | None = None) -> AsyncEngine:
    """`isolation_level`: what a connection goes back to that was used without transactions. It would be the server's
    own otherwise, whatever the session's is."""
    from bugcommand_operator.store.postgres_link import KEEPALIVE, is_whole

    def look(connection: Any, _record: Any, _proxy: Any) -> None:
        """A ping would be a round trip before each question; the line itself tells as much."""
        if not is_whole(connection.driver_connection):
            raise InvalidatePoolError("the database has hung up")

    engine = create_async_engine(url, pool_timeout=10, connect_args=KEEPALIVE, isolation_level=isolation_level)
    _on_connect(engine, settings)
    event.listen(engine.sync_engine, "checkout", look)
    return engine


def _on_connect(engine: AsyncEngine, statements: Sequence[str]) -> None:
    def apply(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    event.listen(engine.sync_engine, "connect", apply)


def is_missing_table(error: StoreError) -> bool:
    return bool(_NOT_YET.search(str(error)))


def classify(error: Exception) -> StoreError:
    """The store's own error for a driver's."""
    cause = getattr(error, "orig", None) or error
    text = str(cause)
    if getattr(cause, "sqlstate", None) in _NO_SENSE:
        return StoreRejected(text)
    if isinstance(error, (*_REFUSED, *_of_psycopg("DataError", "IntegrityError"))):
        return StoreRejected(text)
    return StoreFull(text) if _FULL.search(text) else StoreUnavailable(text)


def _of_psycopg(*names: str) -> tuple[type[Exception], ...]:
    """Classes of the Postgres driver, where it is in use: those who use SQLite start without it."""
    driver: Any = sys.modules.get("psycopg")
    classes: list[type[Exception]] = [getattr(driver, name) for name in names] if driver is not None else []
    return tuple(classes)


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn what drivers raise into the store's errors, so that no caller needs to know a driver."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (SQLAlchemyError, sqlite3.Error, OSError, *_of_psycopg("Error"))):
            raise classify(error) from error
        raise
