"""Medians, percentiles and bootstrap intervals. Pure: the same samples and seed give the same answer."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A median, and where it would lie in 95 of 100 such measurements."""

    value: float
    low: float
    high: float


def percentile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest ranks; `share` from 0 to 1."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def median_with_interval(values: Sequence[float], seed: int = 1) -> Estimate:
    """Percentile bootstrap of the median. Pairs are resampled as pairs: the caller hands in ratios or differences."""
    return bootstrap(values, median, seed)


def bootstrap(values: Sequence[float], statistic: Callable[[Sequence[float]], float], seed: int = 1) -> Estimate:
    if not values:
        raise ValueError("no values")
    chance = random.Random(seed)
    drawn = [statistic(chance.choices(values, k=len(values))) for _ in range(RESAMPLES)]
    outside = (1 - CONFIDENCE) / 2
    return Estimate(statistic(values), percentile(drawn, outside), percentile(drawn, 1 - outside))
