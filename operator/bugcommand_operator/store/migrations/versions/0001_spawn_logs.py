"""The log lines, how far each attempt has come, and whose each command id is.

Migrations only ever add: the version before this one keeps running on the result while an upgrade rolls out.
"""

import sqlalchemy as sa
from alembic import op

from bugcommand_operator.store.types import Timestamp

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    partitioned = op.get_bind().dialect.name == "postgresql"
    days = [sa.Column("day", sa.Date, primary_key=True, server_default="1970-01-01")] if partitioned else []
    op.create_table(
        "spawn_logs",
        sa.Column("command_id", sa.String(63), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.String(6), nullable=False),
        sa.Column("ts", Timestamp, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("machine_id", sa.String(253), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        *days,
        sa.CheckConstraint("attempt >= 1", name="spawn_logs_attempt"),
        sa.CheckConstraint("seq >= 1", name="spawn_logs_seq"),
        sa.CheckConstraint("stream IN ('stdout', 'stderr')", name="spawn_logs_stream"),
        postgresql_partition_by="RANGE (day)",
    )
    op.create_table(
        "spawn_log_progress",
        sa.Column("command_id", sa.String(63), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "spawn_log_owners",
        sa.Column("command_id", sa.String(63), primary_key=True),
        sa.Column("namespace", sa.String(63), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("spawn_log_owners")
    op.drop_table("spawn_log_progress")
    op.drop_table("spawn_logs")
