"""The tables, in types that SQLite and Postgres share. The migrations build them; a test compares the two.

`spawn_logs` holds the lines; Postgres keeps them in a partition for each day. `spawn_log_progress` counts them at
the time they are written, because counting afterwards reads every row of a command, each second, for each command.
`spawn_log_owners` says whose a command id is: ids can be chosen by users, and nobody may write into another's log.
`spawn_log_chunks` is the index for searching, built behind the intake.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from bugcommand_operator.store.types import Json, TextList, Timestamp, UuidText, Words, as_text

__all__ = ["Timestamp", "as_text", "metadata"]

metadata = MetaData()
NO_DAY = "1970-01-01"
"""The day of what was written before days were kept."""


def has_days(dialect: Dialect) -> bool:
    """Whether each line has its command's day, by which it is found. In SQLite an older version, to which an upgrade
    was rolled back, may have written lines without it; there are no partitions that it would lead to."""
    return dialect.name != "sqlite"


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
    # In Postgres a part of the key, as a partitioned table asks for. A command has one day, so the first three
    # columns are unique all the same.
    Column("day", Date, nullable=False, server_default=NO_DAY),
    CheckConstraint("attempt >= 1", name="spawn_logs_attempt"),
    CheckConstraint("seq >= 1", name="spawn_logs_seq"),
    CheckConstraint("stream IN ('stdout', 'stderr')", name="spawn_logs_stream"),
    Index("spawn_logs_in_order", "command_id", "ts", "seq", "attempt"),
)

spawn_log_progress = Table(
    "spawn_log_progress",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("namespace", String(63), nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("truncated_at", BigInteger),  # the `seq` of the line that says so
    Column("last_at", Timestamp),  # of the last write
    Column("expired_at", Timestamp),  # as in the owner's row: read under the lock that a write holds anyway
)

spawn_log_owners = Table(
    "spawn_log_owners",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("namespace", String(63), nullable=False),
    Column("repository", String(253), nullable=False, server_default=""),
    Column("command_uid", String(63), nullable=False, server_default=""),
    Column("day", Date, nullable=False, server_default=NO_DAY),
    Column("created_at", Timestamp),
    Column("expired_at", Timestamp),  # its rows are being deleted
    Index("spawn_log_owners_by_day", "day"),
    Index("spawn_log_owners_by_repository", "namespace", "repository"),
)

spawn_log_chunks = Table(
    "spawn_log_chunks",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("command_id", String(63), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("first_ts", Timestamp, nullable=False),
    Column("last_ts", Timestamp, nullable=False),
    Column("words", Words, nullable=False),
    Index("spawn_log_chunks_place", "command_id", "attempt", "first_seq", unique=True),
    Index("spawn_log_chunks_words", "words", postgresql_using="gin").ddl_if(dialect="postgresql"),
)

spawn_log_indexed = Table(
    "spawn_log_indexed",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),  # all lines up to here are in chunks
    Column("lines", BigInteger, nullable=False),  # how many the attempt had when it was last looked at
    Column("looked_at", Timestamp, nullable=False),
)

spawn_recordings = Table(
    "spawn_recordings",
    metadata,
    Column("command_id", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("namespace", String(63), nullable=False),
    Column("data", Text, nullable=False),
)

bridge_commands = Table(
    "bridge_commands",
    metadata,
    Column("id", UuidText, primary_key=True),
    Column("workspace_id", Text),
    Column("prompt", Text, nullable=False),
    Column("working_directory", Text),
    Column("agent", Text),
    Column("flags", TextList),
    Column("timeout_seconds", Integer),
    Column("target_machine_id", Text),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("claimed_by_machine_id", Text),
    Column("claimed_at", Timestamp),
    Column("started_at", Timestamp),
    Column("completed_at", Timestamp),
    Column("exit_code", Integer),
    Column("output", Text),
    Column("error", Text),
    Column("approval_required", Boolean),
    Column("approval_status", Text),
    Column("with_worktree", Boolean),
    Column("commitment_id", Text),
    Column("payload", Json),
    Column("idempotency_key", Text),
    Column("namespace", String(63)),
    Column("repository", String(253)),
    Column("bugcommand", String(253)),
    Column("created_at", Timestamp),
    Column("updated_at", Timestamp),
    Index("bridge_commands_open", "status", "created_at"),
    Index("bridge_commands_idempotency", "namespace", "idempotency_key", unique=True),
)
