"""Days, caps, retention, search, recordings and the bridge's commands.

A table `bridge_commands` that others have made in Postgres is kept: it gets the columns that it lacks.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from bugcommand_operator.store import words
from bugcommand_operator.store.types import Json, TextList, Timestamp, UuidText, Words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BRIDGE_NOTIFY = """
CREATE OR REPLACE FUNCTION mentu_bridge_commands_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('mentu_bridge_commands',
    json_build_object('op', lower(TG_OP), 'id', NEW.id, 'status', NEW.status)::text);
  RETURN NULL;
END $$
"""
_BRIDGE_TRIGGER = """
CREATE TRIGGER mentu_bridge_commands_notify AFTER INSERT OR UPDATE ON bridge_commands
FOR EACH ROW EXECUTE FUNCTION mentu_bridge_commands_notify()
"""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    _lines(postgres)
    _owners_and_progress()
    _search(postgres)
    op.create_table(
        "spawn_recordings",
        sa.Column("command_id", sa.String(63), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    _bridge(postgres)


def _lines(postgres: bool) -> None:
    if not postgres:  # where 0001 made the table with its partitions
        op.add_column("spawn_logs", sa.Column("day", sa.Date, nullable=False, server_default="1970-01-01"))
    op.create_index("spawn_logs_by_time", "spawn_logs", ["command_id", "ts", "seq"])


def _owners_and_progress() -> None:
    owner_columns: tuple[sa.Column[Any], ...] = (
        sa.Column("repository", sa.String(253), nullable=False, server_default=""),
        sa.Column("command_uid", sa.String(63), nullable=False, server_default=""),
        sa.Column("day", sa.Date, nullable=False, server_default="1970-01-01"),
        sa.Column("created_at", Timestamp),
        sa.Column("expired_at", Timestamp),
    )
    for column in owner_columns:
        op.add_column("spawn_log_owners", column)
    op.create_index("spawn_log_owners_by_day", "spawn_log_owners", ["day"])
    op.create_index("spawn_log_owners_by_repository", "spawn_log_owners", ["namespace", "repository"])
    progress_columns: tuple[sa.Column[Any], ...] = (
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("truncated_at", sa.BigInteger),
        sa.Column("last_at", Timestamp),
        sa.Column("expired_at", Timestamp),
    )
    for column in progress_columns:
        op.add_column("spawn_log_progress", column)


def _search(postgres: bool) -> None:
    op.create_table(
        "spawn_log_chunks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("command_id", sa.String(63), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("first_ts", Timestamp, nullable=False),
        sa.Column("last_ts", Timestamp, nullable=False),
        sa.Column("words", Words, nullable=False),
    )
    op.create_index("spawn_log_chunks_place", "spawn_log_chunks", ["command_id", "attempt", "first_seq"], unique=True)
    op.create_table(
        "spawn_log_indexed",
        sa.Column("command_id", sa.String(63), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("looked_at", Timestamp, nullable=False),
    )
    if postgres:
        op.execute(words.postgres_function(with_icu=_has_icu()))
        op.create_index("spawn_log_chunks_words", "spawn_log_chunks", ["words"], postgresql_using="gin")
    else:
        op.execute(words.SQLITE_TABLE)


def _has_icu() -> bool:
    found = op.get_bind().execute(sa.text("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"))
    return found.first() is not None


def _bridge(postgres: bool) -> None:
    columns = _bridge_columns(postgres)
    if sa.inspect(op.get_bind()).has_table("bridge_commands"):
        there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("bridge_commands")}
        for column in columns:
            if column.name not in there:
                op.add_column("bridge_commands", column)
    else:
        op.create_table("bridge_commands", *columns)
    op.create_index("bridge_commands_open", "bridge_commands", ["status", "created_at"])
    op.create_index("bridge_commands_idempotency", "bridge_commands", ["namespace", "idempotency_key"], unique=True)
    if postgres:
        op.execute(_BRIDGE_NOTIFY)
        op.execute(_BRIDGE_TRIGGER)


def _bridge_columns(postgres: bool) -> list[sa.Column[Any]]:
    new_id, now = (sa.text("gen_random_uuid()"), sa.text("now()")) if postgres else (None, None)
    return [
        sa.Column("id", UuidText, primary_key=True, server_default=new_id),
        sa.Column("workspace_id", sa.Text),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("working_directory", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("flags", TextList),
        sa.Column("timeout_seconds", sa.Integer),
        sa.Column("target_machine_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("claimed_by_machine_id", sa.Text),
        sa.Column("claimed_at", Timestamp),
        sa.Column("started_at", Timestamp),
        sa.Column("completed_at", Timestamp),
        sa.Column("exit_code", sa.Integer),
        sa.Column("output", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("approval_required", sa.Boolean),
        sa.Column("approval_status", sa.Text),
        sa.Column("with_worktree", sa.Boolean),
        sa.Column("commitment_id", sa.Text),
        sa.Column("payload", Json),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("namespace", sa.String(63)),
        sa.Column("repository", sa.String(253)),
        sa.Column("bugcommand", sa.String(253)),
        sa.Column("created_at", Timestamp, server_default=now),
        sa.Column("updated_at", Timestamp, server_default=now),
    ]


def downgrade() -> None:
    raise RuntimeError("lines of many days cannot go back into the table of 0001: restore a backup")
