"""The tables, in types that SQLite and Postgres share. The migrations build them; a test compares the two.

`spawn_logs` holds the lines. `spawn_log_progress` counts them at the time they are written, because counting
afterwards reads every row of a command, each second, for each command. `spawn_log_owners` says which namespace
wrote a command id first: ids can be chosen by users, and nobody may write into another's log.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData()


def as_text(moment: datetime) -> str:
    """One fixed width and always UTC, so that text sorts as time does."""
    offset = moment.utcoffset()
    in_utc = moment - offset if offset else moment
    return in_utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Timestamp(TypeDecorator[datetime]):
    """`timestamptz` where the database has it; ISO 8601 text in UTC where it has not (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return as_text(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return datetime.fromisoformat(value) if isinstance(value, str) else value


spawn_logs = Table(
    "spawn_logs",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("stream", String(6), nullable=False),
    Column("ts", Timestamp, nullable=False),
    Column("message", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("machine_id", String(253), nullable=False),
    Column("namespace", String(63), nullable=False),
    CheckConstraint("attempt >= 1", name="spawn_logs_attempt"),
    CheckConstraint("seq >= 1", name="spawn_logs_seq"),
    CheckConstraint("stream IN ('stdout', 'stderr')", name="spawn_logs_stream"),
)

spawn_log_progress = Table(
    "spawn_log_progress",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("namespace", String(63), nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
)

spawn_log_owners = Table(
    "spawn_log_owners",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("namespace", String(63), nullable=False),
)
