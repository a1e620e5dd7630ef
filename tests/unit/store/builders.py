"""Lines, batches and stores for tests."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine
from bugcommand_operator.store.migrate import upgrade_engine
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
async def open_store(path: Path, lock_wait_seconds: float = 5.0) -> AsyncIterator[SpawnLogs]:
    """A migrated store in this file."""
    engine = open_writer(url_of(path), synchronous="NORMAL", lock_wait_seconds=lock_wait_seconds)
    await upgrade_engine(engine)
    try:
        yield SpawnLogs(engine)
    finally:
        await engine.dispose()
