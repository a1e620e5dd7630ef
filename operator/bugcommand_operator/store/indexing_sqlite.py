"""The index in SQLite: words are found in this process, in a thread, and written in one short transaction.

FTS5 keeps no text here, so it has to be told a chunk's words again to forget them: the chunk keeps them, packed.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.engine import sqlite_connector
from bugcommand_operator.store.indexing import CHUNK, Behind, chunk_start, lines_seen, share
from bugcommand_operator.store.types import as_text
from bugcommand_operator.store.words import INDEXED_CHARACTERS, scope_words, words_of_all

_INDEXED = "SELECT last_seq FROM spawn_log_indexed WHERE command_id = ? AND attempt = ?"
_NEXT = """SELECT seq, ts, substr(message, 1, ?) FROM spawn_logs WHERE command_id = ? AND attempt = ? AND seq > ?
 ORDER BY seq LIMIT ?"""
_ALIVE = "SELECT 1 FROM spawn_log_owners WHERE command_id = ? AND expired_at IS NULL"
_OLD = "SELECT id, words FROM spawn_log_chunks WHERE command_id = ? AND attempt = ? AND first_seq = ?"
_DELETE = "DELETE FROM spawn_log_chunks WHERE id = ?"
_FORGET = "INSERT INTO spawn_log_words (spawn_log_words, rowid, words) VALUES ('delete', ?, ?)"
_CHUNK = """INSERT INTO spawn_log_chunks (command_id, attempt, first_seq, last_seq, day, first_ts, last_ts, words)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"""
_WORDS = "INSERT INTO spawn_log_words (rowid, words) VALUES (?, ?)"
_DONE = """INSERT INTO spawn_log_indexed (command_id, attempt, last_seq, lines, looked_at) VALUES (?, ?, ?, ?, ?)
 ON CONFLICT DO UPDATE SET last_seq = max(last_seq, excluded.last_seq), lines = excluded.lines,
 looked_at = excluded.looked_at"""

Line = Sequence[Any]
Chunk = tuple[list[Line], str]
"""Lines (seq, ts, text) and their words."""


async def visit_all(engine: AsyncEngine, some: Sequence[Behind], limit: int) -> int:
    """Index what comes next of these attempts, each in a transaction of its own. How many chunks were written."""
    return await asyncio.to_thread(_visit_all, sqlite_connector(engine), some, limit)


def _visit_all(connect: Callable[[], sqlite3.Connection], some: Sequence[Behind], limit: int) -> int:
    """In one thread: a chunk is four statements, and handing over each of them takes longer than it does."""
    written = 0
    with closing(connect()) as connection:
        for behind in some:
            written += _visit(connection, behind, share(limit, written) * CHUNK)
            if written >= limit:
                break
    return written


def _visit(connection: sqlite3.Connection, behind: Behind, most: int) -> int:
    place = (behind.command_id, behind.attempt)
    indexed = _indexed(connection, place)
    start = chunk_start(indexed)
    rows = connection.execute(_NEXT, (INDEXED_CHARACTERS, *place, start, most)).fetchall()
    whole = _whole(rows, start)
    found = _chunks(whole, indexed, behind)
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute(_ALIVE, place[:1]).fetchone() is None or _indexed(connection, place) != indexed:
        connection.execute("ROLLBACK")
        return 0
    for chunk in found:
        _write(connection, behind, chunk)
    last = found[-1][0][-1][0] if found else indexed
    seen = lines_seen(behind, read=len(rows), asked=most, gap=len(whole) < len(rows), last=last)
    connection.execute(_DONE, (*place, last, seen, as_text(datetime.now(UTC))))
    connection.execute("COMMIT")
    return len(found)


def _indexed(connection: sqlite3.Connection, place: tuple[str, int]) -> int:
    row = connection.execute(_INDEXED, place).fetchone()
    return row[0] if row is not None else 0


def _whole(rows: Sequence[Line], start: int) -> Sequence[Line]:
    """Up to the first gap."""
    first_beyond = (place for place, row in enumerate(rows) if row[0] != start + 1 + place)
    return rows[: next(first_beyond, len(rows))]


def _chunks(rows: Iterable[Line], indexed: int, behind: Behind) -> list[Chunk]:
    """Those that hold a line which is not indexed yet."""
    groups: dict[int, list[Line]] = {}
    for row in rows:
        groups.setdefault((row[0] - 1) // CHUNK, []).append(row)
    scope = scope_words(behind.namespace, behind.repository, behind.command_id)
    return [(lines, _text(scope, lines)) for lines in groups.values() if lines[-1][0] > indexed]


def _text(scope: Iterable[str], lines: Iterable[Line]) -> str:
    return " ".join(sorted({*scope, *words_of_all(line[2] for line in lines)}))


def _write(connection: sqlite3.Connection, behind: Behind, chunk: Chunk) -> None:
    lines, words = chunk
    place = (behind.command_id, behind.attempt, lines[0][0])
    for number, packed in connection.execute(_OLD, place).fetchall():
        for statement, values in forgetting(number, packed):
            connection.execute(statement, values)
    times = sorted(line[1] for line in lines)
    packed = zlib.compress(words.encode(), 1)
    row = (*place, lines[-1][0], behind.day.isoformat(), times[0], times[-1], packed)
    number = connection.execute(_CHUNK, row).fetchone()[0]
    connection.execute(_WORDS, (number, words))


def forgetting(number: int, packed: bytes) -> list[tuple[str, tuple[Any, ...]]]:
    """The statements that take a chunk out of the index."""
    return [(_FORGET, (number, zlib.decompress(packed).decode())), (_DELETE, (number,))]
