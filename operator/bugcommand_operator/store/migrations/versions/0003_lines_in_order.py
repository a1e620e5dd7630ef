"""The index by time holds the whole order of a page, so that a page is read from it and not sorted anew.

While it is built no line is stored: senders keep theirs until it is there.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("spawn_logs_in_order", "spawn_logs", ["command_id", "ts", "seq", "attempt"])
    op.drop_index("spawn_logs_by_time", "spawn_logs")
