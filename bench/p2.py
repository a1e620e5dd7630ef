"""P2: bursts of commands, from the first request to the moment when the last one's pod has a node.

The peer makes the same pods on the same pretended nodes by Jobs (`peer_jobs`): with its limits raised, and, for the
smaller burst, with those that it has by default.
"""

from __future__ import annotations

from pathlib import Path

from bench import kwok, outcome, peer_jobs, rounds
from bench.default_limits import default_limits
from bench.kube import Api
from bench.outcome import Case, Row
from bench.peer_jobs import Places
from bench.rounds import Tick

SIZES = {500: 5, 2000: 4}
"""And how many rounds of each."""

ROUNDS = sum(SIZES.values())
LONGEST_SECONDS = 500
"""For the rounds of a size: where one takes longer (clearing it, for the most part), it is the only one."""
OURS, JOB, SLOW_JOB = "operator", "Job, limits raised", "Job, default limits"
SIZE_BY_DEFAULT = min(SIZES)


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    limit = 2 * max(SIZES)
    async with (
        kwok.pretended_nodes(api, folder),
        peer_jobs.places(api, folder, "mentu-bench-burst", limit) as places,
    ):
        cases: list[Case] = []
        notes: dict[str, object] = {}
        for size, wanted in SIZES.items():
            compared, spent = await _bursts(size, wanted, places, folder, tick)
            cases += compared
            notes[f"burst of {size:,}: pods a second, ours (Job)"] = _rates(compared[0], size)
            notes[f"burst of {size:,}: executor's CPU per command, without its end (ms)"] = round(spent, 1)
        notes["memory after them (MiB)"] = round(places.subject.memory_mib())
    return Row("P2", "burst: apply → all pods on nodes", tuple(cases), notes)


async def _bursts(size: int, wanted: int, places: Places, folder: Path, tick: Tick) -> tuple[list[Case], float]:
    ours, jobs, subject = places
    spent: list[float] = []

    async def trial() -> float:
        before = subject.cpu_seconds()
        took = await ours.burst(size)
        spent.append((subject.cpu_seconds() - before) / size * 1000)
        await ours.clear()
        return took

    async def peer_trial() -> float:
        took = await jobs.burst(size)
        await jobs.clear()
        return took

    async def slow_peer_trial() -> float:
        async with default_limits(folder):
            await jobs.burst(1)
            took = await jobs.burst(size)
        await jobs.clear()
        return took

    arms = [rounds.Arm(OURS, trial), rounds.Arm(JOB, peer_trial)]
    goals = {JOB: outcome.at_least_throughput(1.0)}
    if size == SIZE_BY_DEFAULT:
        arms.append(rounds.Arm(SLOW_JOB, slow_peer_trial))
        goals[SLOW_JOB] = outcome.at_least_throughput(10.0)
    sample = await rounds.measure(arms, wanted, tick, seconds=LONGEST_SECONDS, fewest=1)
    what = f"{size:,} at once → all pods on nodes"
    return [outcome.case(what, sample, OURS, peer, goal) for peer, goal in goals.items()], min(spent)


def _rates(case: Case, size: int) -> str:
    ours, theirs = (sorted(times)[len(times) // 2] / 1000 for times in (case.ours, case.theirs))
    return f"{size / ours:.0f} ({size / theirs:.0f})"
