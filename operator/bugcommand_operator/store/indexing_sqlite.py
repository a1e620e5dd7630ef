"""The index in SQLite: words are found in this process, in a thread, and written in one short transaction.

FTS5 keeps no text here, so it has to be told a chunk's words again to forget them: the chunk keeps them, packed.
"""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.indexing import CHUNK, Behind, chunk_start, lines_seen
from bugcommand_operator.store.types import as_text
from bugcommand_operator.store.words import INDEXED_CHARACTERS, scope_words, words_of

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


async def visit(engine: AsyncEngine, behind: Behind, chunks: int) -> int:
    """Index what comes next of this attempt. How many chunks were written."""
    place, most = (behind.command_id, behind.attempt), chunks * CHUNK
    async with engine.connect() as connection:
        indexed = (await connection.exec_driver_sql(_INDEXED, place)).scalar() or 0
        start = chunk_start(indexed)
        rows = (await connection.exec_driver_sql(_NEXT, (INDEXED_CHARACTERS, *place, start, most))).all()
        await connection.rollback()
        whole = _whole(rows, start)
        found = await asyncio.to_thread(_chunks, whole, indexed, behind)
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        alive = (await connection.exec_driver_sql(_ALIVE, place[:1])).first() is not None
        unmoved = ((await connection.exec_driver_sql(_INDEXED, place)).scalar() or 0) == indexed
        if alive and unmoved:
            for chunk in found:
                await _write(connection, behind, chunk)
            last = found[-1][0][-1][0] if found else indexed
            seen = lines_seen(behind, read=len(rows), asked=most, gap=len(whole) < len(rows), last=last)
            await connection.exec_driver_sql(_DONE, (*place, last, seen, as_text(datetime.now(UTC))))
        await connection.commit()
    return len(found) if alive and unmoved else 0


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
    return " ".join(sorted(set(scope).union(*(words_of(line[2]) for line in lines))))


async def _write(connection: AsyncConnection, behind: Behind, chunk: Chunk) -> None:
    lines, words = chunk
    place = (behind.command_id, behind.attempt, lines[0][0])
    old = (await connection.exec_driver_sql(_OLD, place)).first()
    if old is not None:
        await forget(connection, old.id, old.words)
    times = sorted(line[1] for line in lines)
    packed = zlib.compress(words.encode(), 1)
    values = (*place, lines[-1][0], behind.day.isoformat(), times[0], times[-1], packed)
    number = (await connection.exec_driver_sql(_CHUNK, values)).scalar_one()
    await connection.exec_driver_sql(_WORDS, (number, words))


async def forget(connection: AsyncConnection, number: int, packed: bytes) -> None:
    """Take a chunk out of the index."""
    await connection.exec_driver_sql(_FORGET, (number, zlib.decompress(packed).decode()))
    await connection.exec_driver_sql(_DELETE, (number,))
