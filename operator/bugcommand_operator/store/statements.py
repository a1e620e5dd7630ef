"""Statements that need the dialect by name: `ON CONFLICT` is the same SQL in SQLite and Postgres, but not part of
what SQLAlchemy offers for all databases."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement, Table, case, func, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from bugcommand_operator.store.schema import spawn_log_progress, spawn_logs

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def insert_into(dialect: Dialect, table: Table) -> Insert:
    if dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # a fifth of a second that only Postgres needs

    return postgresql.insert(table)


def insert_ignore(dialect: Dialect, table: Table) -> Insert:
    """The first write wins: what is there already stays."""
    return insert_into(dialect, table).on_conflict_do_nothing()


def advance_progress(dialect: Dialect, *, count_again: bool) -> Insert:
    """Move an attempt's counters forward, by the lines sent or, after a repetition, by counting the rows."""
    progress, log = spawn_log_progress.c, spawn_logs.c
    insert = insert_into(dialect, spawn_log_progress)
    sent = insert.excluded
    # Named by text, for a column would bring its table into the subquery's FROM and lose the row it stands for.
    command_id: ColumnElement[str] = literal_column("spawn_log_progress.command_id")
    attempt: ColumnElement[int] = literal_column("spawn_log_progress.attempt")
    counted = select(func.count()).where(log.command_id == command_id, log.attempt == attempt)
    return insert.on_conflict_do_update(
        index_elements=[progress.command_id, progress.attempt],
        set_={
            "lines": counted.scalar_subquery() if count_again else progress.lines + sent.lines,
            "last_seq": case((sent.last_seq > progress.last_seq, sent.last_seq), else_=progress.last_seq),
        },
    )


def for_driver(dialect: Dialect, rows: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    """The insert of log rows and its parameters as the driver itself takes them. It is the hot path: handing
    over tuples is twice as fast as a dictionary for each row."""
    sql, names = _log_insert(dialect)
    if names is None:
        return sql, list(rows)
    return sql, [dict(zip(names, row, strict=True)) for row in rows]


@lru_cache(maxsize=4)
def _log_insert(dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
    compiled = insert_ignore(dialect, spawn_logs).compile(dialect=dialect)
    names = tuple(column.name for column in spawn_logs.columns)
    return str(compiled), None if compiled.positional else names
