"""Engines, with what SQLite needs to be a dependable log store: WAL, a bounded wait for locks, and a reader
that can look while the one writing process writes. Nothing here knows a table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bugcommand_operator.store.errors import StoreError, StoreFull, StoreRejected, StoreUnavailable

Synchronous = Literal["NORMAL", "FULL"]
_FULL = re.compile(r"disk is full|no space left|disk full|could not extend file", re.IGNORECASE)
_NOT_YET = re.compile(r"no such table|relation \"\w+\" does not exist", re.IGNORECASE)


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
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": lock_wait_seconds})
    pragmas = (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        f"journal_size_limit={64 << 20}",  # a long reader may let the WAL grow; afterwards it shrinks again
    )
    _on_connect(engine, pragmas)
    return engine


def open_reader(url: str, *, lock_wait_seconds: float = 5.0) -> AsyncEngine:
    """An engine that cannot write, and that does not create a file which is not there yet."""
    path = sqlite_path(url)
    if path is None:
        return create_async_engine(url, pool_pre_ping=True)
    read_only = URL.create(make_url(url).drivername, database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    engine = create_async_engine(read_only, connect_args={"timeout": lock_wait_seconds})
    _on_connect(engine, ("query_only=ON",))
    return engine


def _on_connect(engine: AsyncEngine, pragmas: tuple[str, ...]) -> None:
    def apply(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", apply)


def is_missing_table(error: StoreError) -> bool:
    return bool(_NOT_YET.search(str(error)))


def classify(error: SQLAlchemyError | OSError) -> StoreError:
    """The store's own error for a driver's."""
    text = str(getattr(error, "orig", None) or error)
    if isinstance(error, (DataError, IntegrityError)):
        return StoreRejected(text)
    return StoreFull(text) if _FULL.search(text) else StoreUnavailable(text)


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn what drivers raise into the store's errors, so that no caller needs to know a driver."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise classify(error) from error
