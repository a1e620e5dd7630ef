"""P6: lines that were lost, doubled or out of order in a flood, while the gateway, a pod and the database are killed.

There is no peer and no bound but nought. `MENTU_FIDELITY_LINES` sets how many lines; `make soak` takes five million.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path

from tests.process.fidelity.run import Found, Load, run
from tests.support.postgres import PostgresServer

from bench.outcome import Figure, Row
from bench.rounds import Tick

ROUNDS = 1
LINES = int(os.environ.get("MENTU_FIDELITY_LINES", "1000000"))


async def measure(folder: Path, tick: Tick, lines: int = LINES) -> Row:
    found = await asyncio.to_thread(_run, folder, lines)
    tick()
    verdict = found.verdict
    counts = {"lost": verdict.lost, "stored twice": verdict.doubled, "out of order": verdict.disordered}
    figures = tuple(Figure(what, "lines", count, 0, n=1) for what, count in counts.items())
    kills = f"{found.gateway_kills} of the gateway, one of a pod, one crash of the database"
    return Row("P6", "fidelity", figures, {"lines": f"{verdict.lines:,}", "kills": kills})


def _run(folder: Path, lines: int) -> Found:
    with PostgresServer(synchronous_commit="on") as server:

        def crash() -> None:
            server.end(signal.SIGQUIT)
            server.start()

        with tempfile.TemporaryDirectory(dir=folder) as own:
            return run(Path(own), server.url(server.new_database()), Load(lines), crash)
