"""`python -m bench [P1 P3 …]`: measures, prints the table, writes bench/results/."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import installed, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p12, report
from bench.kube import Api
from bench.outcome import Row
from bench.rounds import Tick

ON_CLUSTER: dict[str, Callable[[Api, Path, Tick], Awaitable[Row]]] = {
    "P1": p1.measure,
    "P2": p2.measure,
    "P3": p3.measure,
    "P4": p4.measure,
    "P5": p5.measure,
    "P7": p7.measure,
    "P9": p9.measure,
    "P10": p10.measure,
}
ALONE: dict[str, Callable[[Path, Tick], Awaitable[Row]]] = {
    "P6": p6.measure,
    "P8": p8.measure,
    "P12": p12.measure,
}
ROUNDS = {
    "P1": p1.ROUNDS,
    "P2": p2.ROUNDS,
    "P3": p3.ROUNDS,
    "P4": p4.ROUNDS,
    "P5": p5.ROUNDS,
    "P6": p6.ROUNDS,
    "P7": p7.ROUNDS,
    "P8": p8.ROUNDS,
    "P9": p9.ROUNDS,
    "P10": p10.ROUNDS,
    "P12": p12.ROUNDS,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"which to measure: {' '.join(ROUNDS)}; default: all")
    parser.add_argument(
        "--beside-installed", action="store_true", help="let executors on the cluster run on: a preview, no measurement"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md as well")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what rests meanwhile is woken, however this ends
    if unknown := set(arguments.rows) - set(ROUNDS):
        parser.error(f"unknown: {' '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 160)  # in a file or a pipe nothing has to be cut off
    rows = asyncio.run(run(arguments.rows or list(ROUNDS), arguments.beside_installed, console))
    report.show(rows, console)
    if arguments.write:
        report.write_page(rows)
    console.print(f"written to {report.save(rows)}", highlight=False)


async def run(wanted: list[str], beside_installed: bool, console: Console) -> list[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mentu-bench-")))
        api = await _quiet_cluster(stack, beside_installed, console) if set(wanted) & set(ON_CLUSTER) else None
        progress = stack.enter_context(Progress(*columns, TimeElapsedColumn(), console=console))
        return [await _measure(name, api, folder, progress) for name in wanted]


async def _quiet_cluster(stack: AsyncExitStack, beside_installed: bool, console: Console) -> Api:
    api = await stack.enter_async_context(Api.connect())
    resting = await stack.enter_async_context(installed.resting(api, not beside_installed))
    if resting:
        console.print(f"resting while measured: {', '.join(resting)}", highlight=False)
    return api


async def _measure(name: str, api: Api | None, folder: Path, progress: Progress) -> Row:
    task = progress.add_task(name, total=ROUNDS[name])

    def tick() -> None:
        progress.advance(task)

    if api is not None and name in ON_CLUSTER:
        row = await ON_CLUSTER[name](api, folder, tick)
    else:
        row = await ALONE[name](folder, tick)
    progress.update(task, completed=ROUNDS[name])
    return row


if __name__ == "__main__":
    main()
