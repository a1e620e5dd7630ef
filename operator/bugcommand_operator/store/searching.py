"""Search: the index names chunks of lines, the newest first, and each of their lines is looked at again.

The cost is bounded by how many chunks are looked into and by the time limit of the connection. A tenant's search
does not walk through the words of another: whose a chunk is stands among its words.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, TextClause, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bugcommand_operator.store.errors import BadQuery
from bugcommand_operator.store.indexing import CHUNK
from bugcommand_operator.store.lines import LogRow
from bugcommand_operator.store.schema import has_days, spawn_log_chunks, spawn_logs
from bugcommand_operator.store.words import INDEXED_CHARACTERS, scope_words, words_of

MOST_CHUNKS = 300
MOST_WORDS = 16
_CHUNKS_AT_ONCE = 16

Scope = tuple[str, str | None, str | None]
"""Namespace, and perhaps a repository or a command id."""


class Chunk(NamedTuple):
    command_id: str
    attempt: int
    first_seq: int
    last_seq: int
    day: Any


async def search_in(
    connection: AsyncConnection, scope: Scope, words: str, *, limit: int, since: datetime | None
) -> list[LogRow]:
    wanted = words_of(words)
    if not wanted or len(wanted) > MOST_WORDS:
        raise BadQuery(f"a search is for 1 to {MOST_WORDS} words of letters and digits")
    found: list[LogRow] = []
    chunks = await _chunks(connection, scope, words, wanted, since)
    for start in range(0, len(chunks), _CHUNKS_AT_ONCE):
        if len(found) >= limit:
            break
        some = chunks[start : start + _CHUNKS_AT_ONCE]
        found += await _lines(connection, some, wanted, limit - len(found), since)
    return sorted(found, key=lambda row: (row.ts, row.attempt, row.seq), reverse=True)


async def _chunks(
    connection: AsyncConnection, scope: Scope, words: str, wanted: set[str], since: datetime | None
) -> list[Chunk]:
    table = spawn_log_chunks.c
    query = select(table.command_id, table.attempt, table.first_seq, table.last_seq, table.day)
    if since is not None:
        query = query.where(table.last_ts >= since)
    if connection.dialect.name == "sqlite":
        matched = _fts_match(wanted | _scope_words(scope))
    else:
        theirs = (await connection.execute(select(func.mentu_words(words)))).scalar_one()
        matched = _tsquery_match(set(theirs) | _scope_words(scope))
    query = query.where(matched).order_by(table.id.desc()).limit(MOST_CHUNKS)
    return [Chunk(*row) for row in await connection.execute(query)]


def _scope_words(scope: Scope) -> set[str]:
    """The narrowest of them is enough, and there are fewest chunks of it."""
    namespace, repository, command_id = scope
    of_namespace, of_repository, of_command = scope_words(namespace, repository or "", command_id or "")
    return {of_namespace, *([of_repository] if repository is not None else []), *([of_command] if command_id else [])}


def _fts_match(terms: set[str]) -> TextClause:
    asked = " AND ".join(f'"{term}"' for term in sorted(terms))
    return text(
        "spawn_log_chunks.id IN (SELECT rowid FROM spawn_log_words WHERE spawn_log_words MATCH :asked)"
    ).bindparams(asked=asked)


def _tsquery_match(terms: set[str]) -> TextClause:
    asked = " & ".join(f"'{term}'" for term in sorted(terms))
    return text("spawn_log_chunks.words @@ CAST(:asked AS tsquery)").bindparams(asked=asked)


async def _lines(
    connection: AsyncConnection, chunks: Sequence[Chunk], wanted: set[str], limit: int, since: datetime | None
) -> list[LogRow]:
    """The chunks' lines that hold all the words, the newest first. Only those are read in full."""
    table, by_day = spawn_logs.c, has_days(connection.dialect)
    beginning = func.substr(table.message, 1, INDEXED_CHARACTERS)
    within = (and_(_of(chunk, by_day), table.seq.between(chunk.first_seq, chunk.last_seq)) for chunk in chunks)
    beginnings = select(table.command_id, table.attempt, table.seq, beginning).where(or_(*within))
    if since is not None:
        beginnings = beginnings.where(table.ts >= since)
    held: dict[tuple[str, int, int], list[int]] = {}
    for command_id, attempt, seq, message in await connection.execute(beginnings):
        if wanted <= words_of(message):
            held.setdefault((command_id, attempt, (seq - 1) // CHUNK), []).append(seq)
    matching: list[ColumnElement[bool]] = []
    for chunk in chunks:
        seqs = sorted(held.get((chunk.command_id, chunk.attempt, (chunk.first_seq - 1) // CHUNK), ()))[-limit:]
        limit -= len(seqs)
        if seqs:
            matching.append(and_(_of(chunk, by_day), table.seq.in_(seqs)))
        if limit <= 0:
            break
    if not matching:
        return []
    return [LogRow(*row) for row in await connection.execute(select(*spawn_logs.columns).where(or_(*matching)))]


def _of(chunk: Chunk, by_day: bool) -> ColumnElement[bool]:
    table = spawn_logs.c
    attempt = and_(table.command_id == chunk.command_id, table.attempt == chunk.attempt)
    return and_(attempt, table.day == chunk.day) if by_day else attempt
