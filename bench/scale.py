"""`make scale`: thousands of commands on pretended nodes. Fails where a bound is missed.

Commands arrive at a steady rate, whatever becomes of the earlier ones; each agent works for so long that the wanted
number runs at a time. The rate is what was asked for, or what the machine can carry: first it is measured how many Jobs
a second it makes. Under load the executor is killed and started again. Then comes a burst, beside that of a peer, which
shows what the machine can do. A watch of the run's own counts each pod that was ever made: what was executed twice
would show.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress

from bench import installed, kwok, many, peer_jobs, report, scale_peers
from bench.census import Census, Watching
from bench.kube import Api, Raw
from bench.load import SMOKE, Fitted, Load, fit
from bench.outcome import Row
from bench.pretending import command, commands_path, pretending
from bench.scale_row import Found, row
from bench.subject import Subject, executor_subject
from bench.wait import TookTooLong, until, while_it_gets_less

NAMESPACE = "mentu-scale"
JOBS = 150
BURST_AGENT_SECONDS = 20.0
RECONCILED_SECONDS, LOOKED_AT_SECONDS = 120.0, 60.0
NONE_ENDS_SECONDS, MOST_ENDING_SECONDS = 300.0, 3600.0


class Run:
    def __init__(self, api: Api, folder: Path, load: Fitted, census: Census, progress: Progress) -> None:
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
        limit = self.load.asked.total + self.load.asked.burst
        return await self._instances.enter_async_context(executor_subject(self._folder, NAMESPACE, limit))

    async def rest(self) -> None:
        """Those that can not arrive in time are there from the beginning, and looked at."""
        count = self.load.resting
        if not count:
            return
        task = self.progress.add_task(f"{count} that are suspended", total=count)
        await many.make(self.api, self._path, (resting(f"r{number}") for number in range(count)))

        async def looked_at() -> bool:
            done = sum(bool(life.phase) for life in self.census.resting())
            self.progress.update(task, completed=done)
            return done == count

        await until("a look at each suspended one", looked_at, many.patience(count, LOOKED_AT_SECONDS), every=0.5)

    async def steady(self) -> None:
        load = self.load
        task = self.progress.add_task(f"{load.rate:.3g} arrivals a second", total=load.arrivals)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            trouble = group.create_task(self._kill_and_start_again(load.kill_after))
            for number in itertools.count():
                if number >= load.arrivals and trouble.done():
                    break
                await asyncio.sleep(max(began + number / load.rate - time.monotonic(), 0))
                group.create_task(self._arrive(load.seconds))
                self._look()
                self.progress.advance(task)

    async def _arrive(self, seconds: float) -> None:
        """With more than are to be kept, the one that ended first goes."""
        await self.api.post(self._path, command(f"c{next(self._numbers)}", seconds))
        if self.census.present > self.load.asked.total and self._deleted < len(self.census.ended):
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
        self.found.known = known = self.census.present
        began = time.monotonic()
        self.subject = await self._start()

        async def looked_at_all() -> bool:
            return await self.subject.metric("mentu_reconcile_total") >= known

        with suppress(TookTooLong):  # then the time says so
            await until("a pass over each command", looked_at_all, RECONCILED_SECONDS, every=0.1)
        self.found.reconciled = time.monotonic() - began

    def note(self) -> None:
        self.found.peak_mib.append(self.subject.peak_mib())
        self.found.cpu_seconds += self.subject.cpu_seconds()

    async def all_end(self, work_seconds: float) -> None:
        """However slow the machine is: as long as some end, the others may yet."""
        task = self.progress.add_task("until all have ended", total=None)

        def left() -> int:
            self._look()
            unended = self.census.unended()
            self.progress.update(task, description=f"until all have ended: {unended}")
            return unended

        self.found.unended = await while_it_gets_less(left, work_seconds + NONE_ENDS_SECONDS, MOST_ENDING_SECONDS)

    async def burst(self) -> None:
        """First the peer's, while the executor has nothing to do."""
        size = self.load.asked.burst
        names = [f"b{number}" for number in range(size)]
        task = self.progress.add_task(f"a burst of {size}, for a bare loop", total=None)
        async with scale_peers.bare_burst(self.api, self._folder, f"{NAMESPACE}-bare", size) as took:
            self.found.bare_burst_seconds = took
            self.progress.update(task, total=1, completed=1)
            shown = self.progress.add_task(f"a burst of {size}", total=size)
            self.found.burst_seconds = await self._all_claimed(
                names, lambda claimed: self.progress.update(shown, completed=claimed)
            )

    async def _all_claimed(self, names: list[str], told: Callable[[int], None]) -> float:
        with suppress(TookTooLong):  # then that time says so
            return await scale_peers.burst(self.api, NAMESPACE, self.census, names, BURST_AGENT_SECONDS, told)
        return scale_peers.CLAIMED_SECONDS


def resting(name: str) -> Raw:
    return command(name, BURST_AGENT_SECONDS, suspend=True)


async def scale(asked: Load, console: Console, is_fitted: bool) -> Row:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mentu-scale-")))
        api = await stack.enter_async_context(Api.connect())
        progress = stack.enter_context(Progress(console=console))
        await stack.enter_async_context(installed.resting(api))
        await stack.enter_async_context(kwok.pretended_nodes(api, folder))
        load = fit(asked, await _jobs(api, folder, progress) if is_fitted else None)
        console.print(load.reason, highlight=False)
        await stack.enter_async_context(pretending(api, NAMESPACE))
        async with Watching(api, NAMESPACE) as census, Run(api, folder, load, census, progress) as run:
            await _through(run)
        found = row(load, census, run.found)
        _tell(found, console)
        await _clear(api, progress)
    return found


def _tell(found: Row, console: Console) -> None:
    """Before what was made is cleared: whatever becomes of that, the verdict stands."""
    report.show([found], console)
    console.print(f"written to {report.save([found])}", highlight=False)


async def _jobs(api: Api, folder: Path, progress: Progress) -> float:
    task = progress.add_task(f"what the machine makes: {JOBS} Jobs", total=None)
    made = await peer_jobs.jobs_a_second(api, folder, f"{NAMESPACE}-peer", JOBS)
    await kwok.volumes_gone(api)
    progress.update(task, total=1, completed=1)
    return made


async def _through(run: Run) -> None:
    load = run.load
    await run.rest()
    await run.steady()
    await run.all_end(load.seconds)
    run.found.waits = run.census.waits()
    await run.burst()
    await run.all_end(BURST_AGENT_SECONDS)
    run.note()


async def _clear(api: Api, progress: Progress) -> None:
    task = progress.add_task("clearing up", total=None)
    await many.empty(api, NAMESPACE, lambda left: progress.update(task, description=f"clearing up: {left} objects"))
    progress.update(task, description="clearing up: the namespace, volumes and nodes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few minutes, on a small machine")
    for name in vars(Load()):
        default = getattr(Load(), name)
        kind = type(default) if name in ("running", "total", "burst") else float
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"default: {default:g}")
    arguments = vars(parser.parse_args())
    base = SMOKE if arguments.pop("smoke") else Load()
    asked = base.changed({name: value for name, value in arguments.items() if value is not None})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 160)
    found = uvloop.run(scale(asked, console, is_fitted=arguments["rate"] is None))
    sys.exit(0 if found.ok else 1)


if __name__ == "__main__":
    main()
