"""Nothing lost, nothing doubled, nothing out of order, over at least a million lines and whatever is killed.

`MENTU_FIDELITY_LINES` sets the number of lines of the longer run.
"""

import os
import signal
from pathlib import Path

import pytest
from tests.process.fidelity.run import Load, run
from tests.support.postgres import PostgresServer

LINES = int(os.environ.get("MENTU_FIDELITY_LINES", "1000000"))


@pytest.mark.timeout(900)
def test_sqlite_keeps_every_line_once_and_in_order_whatever_is_killed(tmp_path: Path) -> None:
    found = run(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/logs.db", Load(LINES // 4))
    assert found.verdict.is_faultless, found
    assert found.gateway_kills == 5
    assert found.of_killed_pod > 0


@pytest.mark.timeout(3600)
def test_postgres_keeps_every_line_once_and_in_order_whatever_is_killed(tmp_path: Path) -> None:
    with PostgresServer(synchronous_commit="on") as server:

        def crash() -> None:
            server.end(signal.SIGQUIT)
            server.start()

        found = run(tmp_path, server.url(server.new_database()), Load(LINES), crash)
    assert found.verdict.is_faultless, found
    assert found.verdict.lines > LINES // 2
    assert (found.gateway_kills, found.of_killed_pod > 0) == (5, True)
