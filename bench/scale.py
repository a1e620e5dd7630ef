"""`make scale`: thousands of commands on pretended nodes. Fails where a bound is missed.

Commands arrive at a steady rate, whatever becomes of the earlier ones; each agent works for so long that the wanted
number runs at a time. In the middle the executor is killed and started again. Then comes a burst. A watch of the run's
own counts each pod that was ever made: what was executed twice would show.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench import installed, kwok, many, report
from bench.census import OVER, Census, Watching
from bench.kube import Api
from bench.outcome import Figure, Row
from bench.pretending import command, commands_path, pretending
from bench.stats import percentile
from bench.subject import Subject, executor_subject
from bench.wait import TookTooLong, until

NAMESPACE = "mentu-scale"
MOST_MIB, MOST_RESTART, MOST_BURST = 350, 10, 20
BEYOND_SECONDS = 300.0
"""How long the last commands may take after the last one was due to end."""


@dataclass(frozen=True)
class Load:
    minutes: float = 10
    rate: float = 20
    running: int = 1000
    total: int = 5000
    burst: int = 2000

    @property
    def seconds(self) -> float:
        """How long each agent works, so that so many run at a time."""
        return self.running / self.rate


SMOKE = Load(minutes=1, rate=4, running=80, total=200, burst=150)


@dataclass
class Found:
    """What was measured on the way."""

    reconciled: float = 0.0
    peak_mib: list[float] = field(default_factory=list)
    most_running: int = 0
    most_present: int = 0
    cpu_seconds: float = 0.0
    unended: int = 0
    burst_seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    """In the steady load, from a command's first event to that of its claim."""


class Run:
    def __init__(self, api: Api, folder: Path, load: Load, census: Census, progress: Progress) -> None:
        self.api, self.load, self.census, self.progress = api, load, census, progress
        self.found = Found()
        self._folder = folder
        self._path = commands_path(NAMESPACE)
        self._numbers = itertools.count()
        self._deleted = 0
        self._instances = AsyncExitStack()

    async def __aenter__(self) -> Run:
        self.subject = await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._instances.aclose()

    async def _start(self) -> Subject:
        limit = self.load.total + self.load.burst
        return await self._instances.enter_async_context(executor_subject(self._folder, NAMESPACE, limit))

    async def steady(self) -> None:
        seconds = self.load.minutes * 60
        arrivals = round(seconds * self.load.rate)
        task = self.progress.add_task(f"{self.load.rate:g} arrivals a second", total=arrivals)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            trouble = group.create_task(self._kill_and_start_again(seconds * 0.6))
            for number in range(arrivals):
                await asyncio.sleep(max(began + number / self.load.rate - time.monotonic(), 0))
                group.create_task(self._arrive(self.load.seconds))
                self._look()
                self.progress.advance(task)
            await trouble

    async def _arrive(self, seconds: float) -> None:
        """With more than are to be kept, the one that ended first goes."""
        await self.api.post(self._path, command(f"c{next(self._numbers)}", seconds))
        if self.census.present > self.load.total and self._deleted < len(self.census.ended):
            oldest = self.census.ended[self._deleted]
            self._deleted += 1
            self.census.leaves(oldest)
            await self.api.delete(f"{self._path}/{oldest}")

    def _look(self) -> None:
        found, census = self.found, self.census
        found.most_running = max(found.most_running, census.phases["Running"])
        found.most_present = max(found.most_present, census.present)

    async def _kill_and_start_again(self, after: float) -> None:
        await asyncio.sleep(after)
        self.note()
        await self.subject.kill()
        known = self.census.present
        began = time.monotonic()
        self.subject = await self._start()

        async def looked_at_all() -> bool:
            return await self.subject.metric("mentu_reconcile_total") >= known

        await until("a pass over each command", looked_at_all, 120, every=0.1)
        self.found.reconciled = time.monotonic() - began

    def note(self) -> None:
        self.found.peak_mib.append(self.subject.peak_mib())
        self.found.cpu_seconds += self.subject.cpu_seconds()

    async def all_end(self) -> None:
        task = self.progress.add_task("until all have ended", total=None)

        async def have_ended() -> bool:
            left = self.census.unended()
            self.progress.update(task, description=f"until all have ended: {left}")
            return not left

        with suppress(TookTooLong):
            await until("the end of all commands", have_ended, self.load.seconds + BEYOND_SECONDS, every=0.5)
        self.found.unended = self.census.unended()

    async def burst(self) -> None:
        """Timed from the first request to the last claim."""
        task = self.progress.add_task(f"a burst of {self.load.burst}", total=self.load.burst)
        names = [f"b{number}" for number in range(self.load.burst)]
        began = time.perf_counter()
        manifests = (command(name, self.load.seconds) for name in names)

        async def claimed() -> bool:
            lives = [self.census.lives.get(name) for name in names]
            done = sum(life is not None and life.claimed is not None for life in lives)
            self.progress.update(task, completed=done)
            return done == len(names)

        await many.make(self.api, self._path, manifests)
        await until("all claims", claimed, BEYOND_SECONDS)
        self.found.burst_seconds = max(self.census.lives[name].claimed or 0.0 for name in names) - began


async def scale(load: Load, console: Console) -> Row:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mentu-scale-")))
        api = await stack.enter_async_context(Api.connect())
        await kwok.ensure_crds(api)
        await stack.enter_async_context(installed.resting(api))
        await stack.enter_async_context(kwok.pretended_nodes(api, folder))
        await stack.enter_async_context(pretending(api, NAMESPACE))
        census = await stack.enter_async_context(Watching(api, NAMESPACE))
        progress = stack.enter_context(Progress(console=console))
        async with Run(api, folder, load, census, progress) as run:
            await run.steady()
            await run.all_end()
            run.found.waits = census.waits()
            await run.burst()
            await run.all_end()
            run.note()
    return _row(load, census, run.found)


def _row(load: Load, census: Census, found: Found) -> Row:
    failed = sum(life.phase in OVER - {"Succeeded"} for life in census.lives.values())
    every = len(census.lives)
    cases = (
        Figure("commands executed twice", "commands", census.executed_twice, 0, every),
        Figure("commands that did not end", "commands", found.unended, 0, every),
        Figure("commands that did not succeed", "commands", failed, 0, every),
        Figure(f"burst of {load.burst:,}, all claimed", "s", found.burst_seconds, MOST_BURST, load.burst),
        Figure("killed under load, a pass over each command", "s", found.reconciled, MOST_RESTART, 1),
        Figure("memory, at most", "MiB", max(found.peak_mib), MOST_MIB, len(found.peak_mib)),
    )
    notes = {
        "commands": f"{every:,}, {load.rate:g} a second for {load.minutes:g} min; at most {found.most_present:,} there",
        "agents at a time, at most": f"{found.most_running:,}",
        "seen → claimed, p50 / p99 (ms)": " / ".join(f"{percentile(found.waits, p) * 1000:.0f}" for p in (0.5, 0.99)),
        "executor's CPU per command (ms)": round(found.cpu_seconds / every * 1000, 1),
    }
    return Row("SCALE", "many at once", cases, notes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="about a minute, on a small machine")
    for name in ("minutes", "rate", "running", "total", "burst"):
        kind = type(getattr(SMOKE, name)) if name in ("running", "total", "burst") else float
        parser.add_argument(f"--{name}", type=kind, help=f"default: {getattr(Load(), name):g}")
    arguments = vars(parser.parse_args())
    base = SMOKE if arguments.pop("smoke") else Load()
    chosen = {name: value for name, value in arguments.items() if value is not None}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 160)
    row = asyncio.run(scale(Load(**{**vars(base), **chosen}), console))
    report.show([row], console)
    console.print(f"written to {report.save([row])}", highlight=False)
    sys.exit(0 if row.ok else 1)


if __name__ == "__main__":
    main()
