"""The index in Postgres: lines become a chunk's `tsvector` inside the database, and never travel."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.indexing import CHUNK, Behind, chunk_start, lines_seen, share
from bugcommand_operator.store.words import scope_words

_OURS = text("""
INSERT INTO spawn_log_indexed (command_id, attempt, last_seq, lines, looked_at)
VALUES (:command_id, :attempt, 0, 0, now()) ON CONFLICT DO NOTHING
""")
_TURN = text("""
SELECT last_seq FROM spawn_log_indexed WHERE command_id = :command_id AND attempt = :attempt FOR UPDATE SKIP LOCKED
""")
# Whoever ends a command's retention waits for this lock, and nobody indexes a command whose retention has ended.
_ALIVE = text("SELECT 1 FROM spawn_log_owners WHERE command_id = :command_id AND expired_at IS NULL FOR KEY SHARE")
_CHUNKS = text("""
WITH following AS (
  SELECT seq, ts, message, row_number() OVER (ORDER BY seq) AS place FROM (
    SELECT seq, ts, message FROM spawn_logs
    WHERE command_id = :command_id AND attempt = :attempt AND day = :day AND seq > :start ORDER BY seq LIMIT :most
  ) AS lines
), whole AS (
  SELECT seq, ts, message, (seq - 1) / :chunk AS chunk FROM following WHERE seq = :start + place
), written AS (
  INSERT INTO spawn_log_chunks (command_id, attempt, first_seq, last_seq, day, first_ts, last_ts, words)
  SELECT :command_id, :attempt, min(seq), max(seq), :day, min(ts), max(ts),
    array_to_tsvector(array_agg(DISTINCT word) || CAST(:scope AS text[]))
  FROM (SELECT seq, ts, chunk, unnest(mentu_words(message) || ARRAY[':']) AS word FROM whole) AS words
  GROUP BY chunk HAVING max(seq) > :indexed
  ON CONFLICT (command_id, attempt, first_seq) DO UPDATE
  SET last_seq = excluded.last_seq, last_ts = excluded.last_ts, first_ts = excluded.first_ts, words = excluded.words
  RETURNING last_seq
)
SELECT (SELECT count(*) FROM written), (SELECT max(last_seq) FROM written), (SELECT count(*) FROM following),
  (SELECT count(*) FROM whole)
""")
_DONE = text("""
UPDATE spawn_log_indexed SET last_seq = greatest(last_seq, :last), lines = :lines, looked_at = now()
WHERE command_id = :command_id AND attempt = :attempt
""")


async def visit_all(engine: AsyncEngine, some: Sequence[Behind], limit: int) -> int:
    """Index what comes next of these attempts, one by one. How many chunks were written."""
    written = 0
    for behind in some:
        written += await _visit(engine, behind, share(limit, written))
        if written >= limit:
            break
    return written


async def _visit(engine: AsyncEngine, behind: Behind, chunks: int) -> int:
    """Index what comes next of this attempt. How many chunks were written; none when another is at it."""
    place = {"command_id": behind.command_id, "attempt": behind.attempt}
    async with engine.begin() as connection:
        await connection.execute(_OURS, place)
        indexed = (await connection.execute(_TURN, place)).scalar_one_or_none()
        alive = await connection.execute(_ALIVE, {"command_id": behind.command_id})
        if indexed is None or alive.first() is None:
            await connection.rollback()
            return 0
        return await _write(connection, behind, place, indexed, chunks * CHUNK)


async def _write(connection: AsyncConnection, behind: Behind, place: dict[str, Any], indexed: int, most: int) -> int:
    scope = scope_words(behind.namespace, behind.repository, behind.command_id)
    lines = {"start": chunk_start(indexed), "indexed": indexed, "most": most, "chunk": CHUNK}
    asked = {**lines, "day": behind.day, "scope": scope}
    written, last, read, whole = (await connection.execute(_CHUNKS, {**place, **asked})).one()
    seen = lines_seen(behind, read=read, asked=most, gap=whole < read, last=last or indexed)
    await connection.execute(_DONE, {**place, "last": last or indexed, "lines": seen})
    return int(written)
