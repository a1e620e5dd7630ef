"""P2: bursts of commands, from the first request to the moment when the last one's pod has a node.

The peer makes the same pods on the same pretended nodes by Jobs (`peer_jobs`). Kubernetes' controllers, which bind the
volumes of both, have their limits raised; at last a burst of each is measured under those that they have by default.
"""

from __future__ import annotations

import functools
from pathlib import Path

from bench import default_limits, kwok, outcome, peer_jobs, rounds
from bench.kube import Api
from bench.outcome import Case, Row
from bench.peer_jobs import Place, Places
from bench.rounds import Tick

SIZES = {500: 5, 2000: 4}
"""And how many rounds of each."""

SIZE_UNDER_DEFAULT_LIMITS = 500
ROUNDS = sum(SIZES.values()) + 1
LONGEST_SECONDS = 500
"""For the rounds of a size: where one takes longer (clearing it, for the most part), it is the only one."""
OURS, JOB, SLOW_JOB = "operator", "Job, limits raised", "Job, default limits"


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    limit = 2 * max(SIZES)
    async with (
        kwok.pretended_nodes(api, folder),
        peer_jobs.places(api, folder, "mentu-bench-burst", limit) as places,
    ):
        cases: list[Case] = []
        notes: dict[str, object] = {}
        for size, wanted in SIZES.items():
            case, spent = await _bursts(size, wanted, places, tick)
            cases.append(case)
            notes[f"burst of {size:,}: pods a second, ours (Job)"] = _rates(case, size)
            notes[f"burst of {size:,}: executor's CPU per command, without its end (ms)"] = round(spent, 1)
        if default_limits.can_be_had():
            cases.append(await _under_default_limits(api, places, folder, tick))
        notes["memory after them (MiB)"] = round(places.subject.memory_mib())
    return Row("P2", "burst: apply → all pods on nodes", tuple(cases), notes)


async def _bursts(size: int, wanted: int, places: Places, tick: Tick) -> tuple[Case, float]:
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

    arms = [rounds.Arm(OURS, trial), rounds.Arm(JOB, peer_trial)]
    sample = await rounds.measure(arms, wanted, tick, seconds=LONGEST_SECONDS, fewest=1)
    goal = outcome.at_least_throughput(1.0)
    return outcome.case(f"{size:,} at once → all pods on nodes", sample, OURS, JOB, goal), min(spent)


async def _under_default_limits(api: Api, places: Places, folder: Path, tick: Tick) -> Case:
    """One of each: it takes minutes, and what is compared differs by more than machines do."""
    size = SIZE_UNDER_DEFAULT_LIMITS

    async def burst(place: Place) -> float:
        await kwok.volumes_gone(api)  # or their end would use up what the controllers may ask for
        async with default_limits.default_limits(folder):
            await place.burst(1)
            took = await place.burst(size)
        await place.clear()
        return took

    arms = [
        rounds.Arm(OURS, functools.partial(burst, places.ours)),
        rounds.Arm(SLOW_JOB, functools.partial(burst, places.jobs)),
    ]
    sample = await rounds.measure(arms, 1, tick, seconds=0, fewest=1)
    what = f"{size:,} at once → all pods on nodes, default limits"
    return outcome.case(what, sample, OURS, SLOW_JOB, outcome.at_least_throughput(10.0))


def _rates(case: Case, size: int) -> str:
    ours, theirs = (sorted(times)[len(times) // 2] / 1000 for times in (case.ours, case.theirs))
    return f"{size / ours:.0f} ({size / theirs:.0f})"
