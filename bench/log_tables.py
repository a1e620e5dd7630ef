"""P5's databases: the store's own append, and what a person would write by hand into the same indexed table.

Both write the same rows in transactions of the same size. By hand means: nobody checks whose the rows are, nobody
counts them, and a repetition is an error.
"""

from __future__ import annotations

import io
import itertools
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from bugcommand_operator.store import migrate
from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine
from bugcommand_operator.store.schema import as_text
from bugcommand_operator.store.spawn_logs import SpawnLogs

BATCH, BATCHES_A_COMMIT, COMMITS = 1000, 5, 20
LINES = BATCH * BATCHES_A_COMMIT * COMMITS
COLUMNS = ("command_id", "attempt", "seq", "stream", "ts", "message", "epoch", "machine_id", "namespace", "day")
BEGAN = datetime.now(UTC).replace(microsecond=0)
MESSAGE = "x" * 80
Row = tuple[str, int, int, str, datetime, str, int, str, str, str]


def batches(command_id: str) -> Iterator[list[LogBatch]]:
    """What each commit takes."""
    key = AttemptKey("bench", command_id, 1)
    seqs = itertools.count(1)
    for _ in range(COMMITS):
        yield [
            LogBatch(
                key,
                1,
                "bench",
                [
                    LogLine(seq, "stdout", BEGAN + timedelta(microseconds=seq), f"{seq} {MESSAGE}")
                    for seq in itertools.islice(seqs, BATCH)
                ],
                repository="bench",
            )
            for _ in range(BATCHES_A_COMMIT)
        ]


def rows(command_id: str) -> Iterator[list[Row]]:
    for group in batches(command_id):
        yield [
            (command_id, 1, x.seq, x.stream, x.ts, x.message, 1, "bench", "bench", BEGAN.date().isoformat())
            for batch in group
            for x in batch.lines
        ]


class Tables:
    """One migrated database, written by both. A trial's lines stay: they are of a command of their own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_writer(url, synchronous="FULL")
        self._logs = SpawnLogs(self._engine)
        self.command_id = ""
        """Whose lines `ours` wrote last."""

    async def open(self) -> None:
        await migrate.upgrade(self.url)

    async def close(self) -> None:
        await self._engine.dispose()

    async def ours(self) -> float:
        self.command_id = _new_id()
        groups = list(batches(self.command_id))
        began = time.perf_counter()
        for group in groups:
            await self._logs.append(group)
        return time.perf_counter() - began

    async def copy(self) -> float:
        """`COPY … FROM STDIN` as text, in one piece a commit: the quickest way there is."""
        pieces = [_as_text(some) for some in rows(_new_id())]
        url = self.url.replace("+psycopg", "")
        statement = f"COPY spawn_logs ({', '.join(COLUMNS)}) FROM STDIN"
        async with await psycopg.AsyncConnection.connect(url) as connection:
            began = time.perf_counter()
            for piece in pieces:
                async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                    await copy.write(piece)
                await connection.commit()
            return time.perf_counter() - began

    async def raw_sqlite(self) -> float:
        values = [[(*row[:4], as_text(row[4]), *row[5:]) for row in some] for some in rows(_new_id())]
        path = Path(self.url.partition("///")[2])
        marks = ", ".join("?" * len(COLUMNS))
        statement = f"INSERT INTO spawn_logs ({', '.join(COLUMNS)}) VALUES ({marks})"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        try:
            began = time.perf_counter()
            for some in values:
                connection.execute("BEGIN")
                connection.executemany(statement, some)
                connection.execute("COMMIT")
            return time.perf_counter() - began
        finally:
            connection.close()


def _new_id() -> str:
    """As commands have them: their places in an index are anywhere, not at its end, where inserting costs less."""
    return str(uuid.uuid4())


def _as_text(some: list[Row]) -> bytes:
    text = io.StringIO()
    for row in some:
        text.write("\t".join(str(value) for value in row) + "\n")
    return text.getvalue().encode()
