"""The search index, built behind the intake: small pieces, none of which holds a lock that the intake needs.

A chunk is up to 64 lines that follow each other; chunk n of an attempt begins at line 64 n + 1, so that one which was
not full is written anew in its place. Only lines without a gap before them are indexed: later ones may still be on
their way. `spawn_log_indexed` says how far each attempt has come, and its row is the turn of several gateways.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.engine import own_errors
from bugcommand_operator.store.types import Timestamp

CHUNK = 64
CHUNKS_A_VISIT = 16
_PATIENCE = timedelta(seconds=10)

# `lines` of the index is how many the attempt had when nothing more could be done: with a gap it is not tried again
# until there are more. Less than a chunk's worth waits a moment for company.
_BEHIND = (
    text("""
SELECT p.command_id, p.attempt, p.lines, o.namespace, o.repository, o.day
FROM spawn_log_progress AS p
JOIN spawn_log_owners AS o ON o.command_id = p.command_id
LEFT JOIN spawn_log_indexed AS i ON i.command_id = p.command_id AND i.attempt = p.attempt
WHERE o.expired_at IS NULL AND p.lines > 0
AND (i.lines IS NULL OR p.lines >= i.lines + :chunk OR (p.lines > i.lines AND i.looked_at < :impatient))
ORDER BY p.last_at LIMIT :most
""")
    .bindparams(bindparam("impatient", type_=Timestamp))
    .columns(day=Date)
)


@dataclass(frozen=True, slots=True)
class Behind:
    """An attempt that has lines which cannot be found yet."""

    command_id: str
    attempt: int
    lines: int
    namespace: str
    repository: str
    day: date


async def index_once(engine: AsyncEngine, limit: int = 64) -> int:
    """Bring the index nearer to the lines by up to about `limit` chunks. How many were written: as many as the
    limit, or more, means that there is more to do."""
    if engine.dialect.name == "sqlite":
        from bugcommand_operator.store.indexing_sqlite import visit_all
    else:
        from bugcommand_operator.store.indexing_postgres import visit_all
    with own_errors():
        some = await _behind(engine, limit)
        return await visit_all(engine, some, limit) if some else 0


async def _behind(engine: AsyncEngine, most: int) -> list[Behind]:
    values: dict[str, Any] = {"chunk": CHUNK, "impatient": datetime.now(UTC) - _PATIENCE, "most": most}
    async with engine.connect() as connection:
        return [Behind(*row) for row in await connection.execute(_BEHIND, values)]


def share(limit: int, written: int) -> int:
    """How many chunks of one attempt may be written next: no attempt holds up the others for long."""
    return min(CHUNKS_A_VISIT, max(1, limit - written))


def chunk_start(last_indexed: int) -> int:
    """The line before the first of the chunk that comes next, or is to be filled."""
    return last_indexed // CHUNK * CHUNK


def lines_seen(behind: Behind, *, read: int, asked: int, gap: bool, last: int) -> int:
    """What `spawn_log_indexed.lines` is to say: all of them, or only those done when there may be more at hand. At a
    gap there is not, however many lines come after it."""
    return behind.lines if gap or read < asked else min(last, behind.lines)
