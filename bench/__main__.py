"""`python -m bench [P1 P3 …]`: measures, prints the table, writes bench/results/."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import installed, p1, p3, p8, report
from bench.kube import Api
from bench.outcome import Row

Measure = Callable[[Api, Path, Callable[[], None]], Awaitable[Row]]
SUITE: dict[str, tuple[Measure, int]] = {
    "P1": (p1.measure, p1.ROUNDS),
    "P3": (p3.measure, p3.ROUNDS),
    "P8": (p8.measure, p8.ROUNDS),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"which to measure: {' '.join(SUITE)}; default: all")
    parser.add_argument(
        "--beside-installed", action="store_true", help="let executors on the cluster run on: a preview, no measurement"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md as well")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(SUITE):
        parser.error(f"unknown: {' '.join(sorted(unknown))}")
    console = Console()
    rows = asyncio.run(run(arguments.rows or list(SUITE), arguments.beside_installed, console))
    report.show(rows, console)
    if arguments.write:
        report.write_page(rows)
    console.print(f"written to {report.save(rows)}", highlight=False)


async def run(wanted: list[str], beside_installed: bool, console: Console) -> list[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    rows: list[Row] = []
    async with Api.connect() as api, installed.resting(api, not beside_installed) as resting:
        if resting:
            console.print(f"resting while measured: {', '.join(resting)}", highlight=False)
        with (
            tempfile.TemporaryDirectory(prefix="mentu-bench-") as folder,
            Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        ):
            for name in wanted:
                measure, total = SUITE[name]
                task = progress.add_task(name, total=total)
                rows.append(await measure(api, Path(folder), lambda task=task: progress.advance(task)))  # type: ignore[misc]
                progress.update(task, completed=total)
    return rows


if __name__ == "__main__":
    main()
