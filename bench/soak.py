"""`make soak`: the load to hold, for as long as it is to be held. Fails where a line is lost or comes too late.

Twenty agents that each write 200 lines a second on the real node; then the fidelity run with five million lines.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from bench import installed, objects, p6, report
from bench.executor import MACHINE
from bench.kube import GROUP, Api
from bench.log_pods import log_bench, writer, written_at
from bench.outcome import Figure, Row
from bench.rows import POLL_SECONDS
from bench.stats import percentile

NAMESPACE = "mentu-bench-soak"
PODS, LINES_A_SECOND, SETTLE = 20, 200, 20.0
MOST_LAG_MS = 300
BEYOND_SECONDS = 300
"""How long the last lines may take after the last one was due."""

NEW_ROWS = "SELECT rowid, message FROM spawn_logs WHERE rowid > ? ORDER BY rowid LIMIT 10000"
SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long the agents write; default: 30")
    parser.add_argument("--lines", type=int, default=5_000_000, help="of the fidelity run; default: five million")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = asyncio.run(soak(arguments.minutes, arguments.lines, console))
    report.show(rows, console)
    sys.exit(0 if all(row.ok for row in rows) else 1)


async def soak(minutes: float, lines: int, console: Console) -> list[Row]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mentu-soak-")))
        api = await stack.enter_async_context(Api.connect())
        await stack.enter_async_context(installed.resting(api))
        progress = stack.enter_context(Progress(console=console))
        steady = await _steady(api, folder, round(minutes * 60 * LINES_A_SECOND), progress)
        task = progress.add_task(f"{lines:,} lines, with kills", total=1)
        fidelity = await p6.measure(folder, lambda: progress.advance(task), lines)
    return [steady, fidelity]


async def _steady(api: Api, folder: Path, lines_a_pod: int, progress: Progress) -> Row:
    program = writer(lines_a_pod, 1 / LINES_A_SECOND, SETTLE)
    total = PODS * lines_a_pod
    task = progress.add_task(f"{PODS} pods, {LINES_A_SECOND} lines a second each", total=total)
    async with log_bench(api, folder, NAMESPACE) as bench:
        await bench.agent("steady", program, resources=SMALL)
        reading = asyncio.create_task(
            asyncio.to_thread(_lags, bench.database, total, lines_a_pod / LINES_A_SECOND, progress, task)
        )
        for number in range(PODS):
            await api.post(f"{GROUP}/namespaces/{NAMESPACE}/bugcommands", _command(number))
        lags = await reading
        lost = total - len(lags)
    cases = (
        Figure("lines lost", "lines", lost, 0, n=total),
        Figure("line written → row visible, p99", "ms", percentile(lags, 0.99) * 1000, MOST_LAG_MS, n=len(lags)),
    )
    return Row("SOAK", "steady load", cases, {"p50": f"{percentile(lags, 0.5) * 1000:.0f} ms"})


def _command(number: int) -> objects.Manifest:
    return objects.command(
        f"steady-{number}",
        prompt="Write lines.",
        repository={"name": "bench"},
        agent="steady",
        agentMode="Headless",
        targetMachine=MACHINE,
        output="None",
        timeoutSeconds=86_400,
    )


def _lags(database: Path, total: int, seconds: float, progress: Progress, task: TaskID) -> list[float]:
    """Blocks, so run it in a thread; ends when all have come, or well after the last was due."""
    deadline, last = time.monotonic() + seconds + SETTLE + BEYOND_SECONDS, 0
    lags: list[float] = []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    try:
        while len(lags) < total and time.monotonic() < deadline:
            rows = connection.execute(NEW_ROWS, (last,)).fetchall()
            now = time.perf_counter()
            lags += [now - at for _, text in rows if (at := written_at(text)) is not None]
            last = rows[-1][0] if rows else last
            progress.update(task, completed=len(lags))
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()
    return lags


if __name__ == "__main__":
    main()
