"""P9: what it costs to have many: memory with 1,000 and 5,000 commands, a restart among them, idling, and a life's CPU.

The peer is a kopf operator with the same watches that does nothing.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from bench import kwok, many, outcome, rounds
from bench.census import Census, Watching
from bench.kube import Api
from bench.outcome import Figure, Row
from bench.pretending import FOR_EVER, command, commands_path, pretending
from bench.rounds import Tick
from bench.stats import percentile
from bench.subject import Subject, executor_subject, noop_subject
from bench.wait import TookTooLong, until

LIVES, RUNNING, ALL = 300, 1000, 5000
RESTARTS = 4
ROUNDS = RESTARTS + 3
IDLE_SECONDS, REST_SECONDS, SETTLE_SECONDS = 30.0, 60.0, 300.0
OURS, PEER = "operator", "no-op kopf operator"
NAMESPACE = "mentu-bench-many"


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kwok.pretended_nodes(api, folder))
        await stack.enter_async_context(pretending(api, NAMESPACE))
        census = await stack.enter_async_context(Watching(api, NAMESPACE))
        bench = Many(api, folder, census)
        async with executor_subject(folder, NAMESPACE, RUNNING) as subject:
            figures = [await bench.lives(subject), *await _grow(bench, subject, tick)]
        return await _restarts(bench, figures, tick)


class Many:
    def __init__(self, api: Api, folder: Path, census: Census) -> None:
        self._api = api
        self.folder = folder
        self._census = census
        self.memory: dict[str, list[float]] = {OURS: [], PEER: []}

    async def make(self, names: list[str], seconds: float) -> None:
        await many.make(self._api, commands_path(NAMESPACE), (command(name, seconds) for name in names))

    async def lives(self, subject: Subject) -> Figure:
        """From creation to a published branch, several at once, as the load of a day would come."""
        before = subject.cpu_seconds()
        await self.make([f"life-{number}" for number in range(LIVES)], 5)

        async def have_ended() -> bool:
            return self._census.phases["Succeeded"] == LIVES

        await until(f"{LIVES} lives", have_ended, SETTLE_SECONDS)
        spent = (subject.cpu_seconds() - before) / LIVES * 1000
        await many.empty(self._api, NAMESPACE)
        return Figure("CPU in a command's life", "ms", spent, 5, LIVES)

    async def until_running(self, wanted: int) -> None:
        async def run() -> bool:
            return self._census.phases["Running"] >= wanted

        await until(f"{wanted} agents", run, SETTLE_SECONDS)

    async def restart(self) -> float:
        began = time.perf_counter()
        async with executor_subject(self.folder, NAMESPACE, RUNNING) as subject:
            await until("a pass over each", lambda: has_looked_at(subject, ALL), SETTLE_SECONDS, every=0.05)
            took = time.perf_counter() - began
            await quiet(subject)
            self.memory[OURS].append(subject.memory_mib())
        return took

    async def restart_peer(self) -> float:
        began = time.perf_counter()
        async with noop_subject(self.folder, NAMESPACE, ALL) as subject:
            took = time.perf_counter() - began
            await quiet(subject)
            self.memory[PEER].append(subject.memory_mib())
        return took


async def _grow(bench: Many, subject: Subject, tick: Tick) -> list[Figure]:
    await bench.make([f"running-{number}" for number in range(RUNNING)], FOR_EVER)
    await bench.until_running(RUNNING)
    await quiet(subject)
    at_running = subject.memory_mib()
    tick()
    await bench.make([f"waiting-{number}" for number in range(ALL - RUNNING)], FOR_EVER)
    await until("a pass over each", lambda: has_looked_at(subject, ALL), SETTLE_SECONDS)
    await quiet(subject)
    at_all = subject.memory_mib()
    tick()
    idle = await subject.core_share(IDLE_SECONDS) * 100
    tick()
    return [
        Figure(f"memory, {RUNNING:,} running", "MiB", at_running, 120, 1),
        Figure(f"memory, {ALL - RUNNING:,} waiting beside them", "MiB", at_all, 350, 1),
        Figure(f"idle with {ALL:,}, of a core", "%", idle, 2, 1),
    ]


async def _restarts(bench: Many, figures: list[Figure], tick: Tick) -> Row:
    arms = [rounds.Arm(OURS, bench.restart), rounds.Arm(PEER, bench.restart_peer)]
    sample = await rounds.measure(arms, RESTARTS, tick)
    ours, peer = (percentile(bench.memory[name], 0.5) for name in (OURS, PEER))
    against = Figure(
        f"memory after a restart with {ALL:,}, against a no-op kopf operator", "×", ours / peer, 1.5, RESTARTS
    )
    restart = outcome.case(f"restart with {ALL:,}: start → each looked at", sample, OURS, PEER, outcome.at_most(2))
    notes = {"memory after a restart, ours / no-op kopf operator (MiB)": f"{ours:.0f} / {peer:.0f}"}
    return Row("P9", "many: memory, restart, idling", (*figures, against, restart), notes)


async def has_looked_at(subject: Subject, commands: int) -> bool:
    return await subject.metric("mentu_reconcile_total") >= commands and not await subject.metric("mentu_queue_depth")


async def quiet(subject: Subject) -> None:
    """Until it has nothing to do for a moment: less than a tenth of a core over two seconds. What never rests is
    measured as it is."""

    async def rests() -> bool:
        return await subject.core_share(2) < 0.1

    with suppress(TookTooLong):
        await until("rest", rests, REST_SECONDS)
