"""Lines, batches and stores for tests."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bugcommand_operator.store.engine import open_reader, open_writer
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine
from bugcommand_operator.store.migrate import upgrade_engine
from bugcommand_operator.store.reading import LogReader
from bugcommand_operator.store.spawn_logs import SpawnLogs

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEY = AttemptKey("team-a", "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11", 1)


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def line(seq: int, message: str | None = None) -> LogLine:
    text = f"line {seq}" if message is None else message
    return LogLine(seq, "stdout", EPOCH + timedelta(microseconds=seq), text)


def batch(seqs: Iterable[int], key: AttemptKey = KEY, message: str | None = None) -> LogBatch:
    return LogBatch(key, 1, "lab", [line(seq, message) for seq in seqs])


@asynccontextmanager
async def open_store(where: Path | str, lock_wait_seconds: float = 5.0, **settings: Any) -> AsyncIterator[SpawnLogs]:
    """A migrated store in this SQLite file or at this URL."""
    url = url_of(where) if isinstance(where, Path) else where
    engine = open_writer(url, synchronous="NORMAL", lock_wait_seconds=lock_wait_seconds)
    await upgrade_engine(engine)
    store = SpawnLogs(engine, **settings)
    try:
        yield store
    finally:
        await store.close()
        await engine.dispose()


@asynccontextmanager
async def open_reading(url: str) -> AsyncIterator[LogReader]:
    engine = open_reader(url)
    try:
        yield LogReader(engine)
    finally:
        await engine.dispose()
