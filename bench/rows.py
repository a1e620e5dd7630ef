"""When a line is in the store: the database file is asked each two milliseconds, by a reader of its own."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

POLL_SECONDS = 0.002
FIRST_LINE = "SELECT 1 FROM spawn_logs WHERE command_id = ? AND message LIKE ? LIMIT 1"


class NoLine(Exception):
    """The line did not arrive in time."""


def until_stored(database: Path, command_id: str, like: str, seconds: float) -> float:
    """Blocks, so run it in a thread; returns the monotonic time at which the row was first seen."""
    deadline = time.perf_counter() + seconds
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    try:
        while time.perf_counter() < deadline:
            if connection.execute(FIRST_LINE, (command_id, like)).fetchone():
                return time.perf_counter()
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()
    raise NoLine(f"no line like {like!r} of command {command_id} within {seconds:g} s")
