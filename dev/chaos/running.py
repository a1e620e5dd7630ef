"""Many schedules one after the other, and one of them told in full."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dev.chaos.clock import simulated
from dev.chaos.fates import Fate
from dev.chaos.points import Point
from dev.chaos.schedule import Schedule

MOST_FAILURES = 5
MOST_ROUNDS = 3


@dataclass
class Failure:
    seed: int
    why: str
    told: list[str]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.why}\nagain: python -m dev.chaos --seed {self.seed}\n" + "\n".join(
            f"  {line}" for line in self.told
        )


@dataclass
class Found:
    schedules: int = 0
    claims: int = 0
    starts: int = 0
    takeovers: int = 0
    fates: Counter[tuple[Point, Fate]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    first: dict[Point, tuple[int, int, dict[int, Fate]]] = field(default_factory=dict)
    """The schedule that first came to a write: its seed, which of its writes that was, and what was forced upon it."""

    def writes(self) -> list[Point]:
        return sorted({point for point, _ in self.fates if point.writes})

    def lacking(self, *fates: Fate) -> list[tuple[Point, Fate]]:
        """Writes to which one of these has not happened."""
        return [(point, fate) for point in self.writes() for fate in fates if not self.fates[point, fate]]


def run_all(seeds: Iterable[int], most_failures: int = MOST_FAILURES) -> Found:
    """Ends early when so many have failed that more would say nothing new."""
    found = Found()
    with simulated(), asyncio.Runner() as runner:
        for seed in seeds:
            _run_one(runner, Schedule(seed), found)
            if len(found.failures) == most_failures:
                break
    return found


def reach(found: Found, *fates: Fate) -> None:
    """A schedule is the same up to the write that is then made to end otherwise: so what the dice have left out is
    made good, points too that only such a schedule has brought to light."""
    with simulated(), asyncio.Runner() as runner:
        for _ in range(MOST_ROUNDS):
            for point, fate in found.lacking(*fates):
                seed, index, forced = found.first[point]
                _run_one(runner, Schedule(seed, forced={**forced, index: fate}), found)


def _run_one(runner: asyncio.Runner, schedule: Schedule, found: Found) -> None:
    try:
        runner.run(schedule.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be told with it
        why = f"{schedule.describe()}: {type(error).__name__}: {error}"
        found.failures.append(Failure(schedule.seed, why, schedule.history.told))
    found.schedules += 1
    found.claims += len(schedule.history.claims)
    found.takeovers += schedule.history.takeovers
    found.starts += sum(schedule.history.starts.values())
    found.fates.update(schedule.points)
    for index, point in enumerate(schedule.writes):
        found.first.setdefault(point, (schedule.seed, index, schedule.forced))


def told(seed: int) -> Iterator[str]:
    schedule, found = Schedule(seed), Found()
    with simulated(), asyncio.Runner() as runner:
        _run_one(runner, schedule, found)
    yield schedule.describe()
    yield from schedule.history.told
    yield found.failures[0].why if found.failures else "all holds"


def table(found: Found) -> Iterator[str]:
    fates = [fate for fate in Fate if fate not in {Fate.WELL, Fate.LATE_ANSWER}]
    yield "| point | calls | " + " | ".join(fates) + " |"
    yield "|---" * (len(fates) + 2) + "|"
    for point in found.writes():
        calls = sum(found.fates[point, fate] for fate in Fate)
        yield f"| {point} | {calls} | " + " | ".join(str(found.fates[point, fate]) for fate in fates) + " |"
