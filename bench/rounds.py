"""Rounds: each arm once, in one order and then in the reverse (ABBA), a canary before and after each round.

A round in which the canary drifts is thrown away and made up for, up to a bound; should too few be left then, all
are used and the sample says that the machine was not quiet.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import canary

Tick = Callable[[], None]
"""Called after each round, for a progress bar."""

LEAST_ROUNDS = 10
FEWEST_ROUNDS = 4

SETTLE_SECONDS = 0.1


@dataclass(frozen=True)
class Arm:
    """Something to be measured; a trial returns its seconds and leaves nothing behind."""

    name: str
    trial: Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Round:
    seconds: dict[str, float]
    drifted: bool


@dataclass(frozen=True)
class Sample:
    """Seconds by arm; the n-th of each belong to the same round."""

    seconds: dict[str, list[float]]
    discarded: int
    quiet: bool

    def of(self, arm: str) -> list[float]:
        return self.seconds[arm]


def order(arms: Sequence[Arm], number: int) -> list[Arm]:
    return list(arms) if number % 2 == 0 else list(reversed(arms))


def sample_from(taken: Sequence[Round]) -> Sample:
    """The rounds that count: the steady ones, if they are ten or, of fewer, two thirds."""
    steady = [r for r in taken if not r.drifted]
    quiet = len(steady) >= min(LEAST_ROUNDS, math.ceil(len(taken) * 2 / 3))
    used = steady if quiet else list(taken)
    names = used[0].seconds.keys() if used else ()
    return Sample({n: [r.seconds[n] for r in used] for n in names}, len(taken) - len(used), quiet)


async def measure(
    arms: Sequence[Arm],
    wanted: int,
    tick: Tick = lambda: None,
    sing: Callable[[], float] = canary.sing,
    seconds: float = math.inf,
    fewest: int = FEWEST_ROUNDS,
) -> Sample:
    """So many steady rounds, within about so many seconds; a few are taken even where the time is up."""
    taken: list[Round] = []
    steady, end = 0, time.monotonic() + seconds
    while steady < wanted and len(taken) < wanted + wanted // 2:
        if time.monotonic() > end and len(taken) >= fewest:
            break
        taken.append(await _round(order(arms, len(taken)), sing))
        steady += not taken[-1].drifted
        if len(taken) <= wanted:
            tick()
    return sample_from(taken)


async def _round(arms: Sequence[Arm], sing: Callable[[], float]) -> Round:
    seconds: dict[str, float] = {}
    before = await asyncio.to_thread(sing)
    for arm in arms:
        await asyncio.to_thread(os.sync)
        await asyncio.sleep(SETTLE_SECONDS)
        seconds[arm.name] = await arm.trial()
    after = await asyncio.to_thread(sing)
    return Round(seconds, canary.drifts(before, after))
