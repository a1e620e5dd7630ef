"""What a benchmark found: cases, each ours against one peer, and whether the goal holds. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from bench.rounds import Sample
from bench.stats import Estimate, differences, median_with_interval, percentile, ratios

Kind = Literal["ratio", "difference", "shown"]


@dataclass(frozen=True)
class Goal:
    """`ratio`: ours / peer at most `limit`. `difference`: ours - peer at most `limit` seconds. `shown`: no goal."""

    kind: Kind
    limit: float = 0.0
    text: str = "–"

    def holds(self, ratio: float, difference: float) -> bool | None:
        if self.kind == "shown":
            return None
        return (ratio if self.kind == "ratio" else difference) <= self.limit

    def strain(self, ratio: float, difference: float) -> float:
        """1 is exactly at the limit; the case with the most is the one a row is judged by."""
        if self.kind == "shown":
            return 0.0
        return (ratio if self.kind == "ratio" else max(difference, 0.0)) / self.limit


SHOWN = Goal("shown")


def at_most(limit: float) -> Goal:
    return Goal("ratio", limit, f"≤ {limit:g}×")


def times_faster(limit: float) -> Goal:
    return Goal("ratio", 1 / limit, f"≥ {limit:g}× faster")


def at_least_throughput(share: float) -> Goal:
    """So much of the peer's lines a second; what is compared are the times for the same work."""
    return Goal("ratio", 1 / share, f"≥ {share:g}× the throughput")


def at_most_more(seconds: float) -> Goal:
    return Goal("difference", seconds, f"≤ peer + {seconds * 1000:g} ms")


@dataclass(frozen=True)
class Case:
    """One comparison. Times are in milliseconds; the ratio is the median of the pairs' ratios."""

    what: str
    peer_name: str
    goal: Goal
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    discarded: int = 0
    quiet: bool = True

    @property
    def ratio(self) -> Estimate:
        return median_with_interval(ratios(self.ours, self.theirs))

    @property
    def difference(self) -> Estimate:
        return median_with_interval(differences(self.ours, self.theirs))

    @property
    def ok(self) -> bool | None:
        return self.goal.holds(self.ratio.value, self.difference.value / 1000)

    @property
    def strain(self) -> float:
        return self.goal.strain(self.ratio.value, self.difference.value / 1000)

    def to_dict(self) -> dict[str, Any]:
        ratio, difference = self.ratio, self.difference
        return {
            "what": self.what,
            "value": _round(median(self.ours)),
            "unit": "ms",
            "peer": _round(median(self.theirs)),
            "peer_name": self.peer_name,
            "ratio": round(ratio.value, 3),
            "goal": self.goal.text,
            "ok": self.ok,
            "interval": [round(ratio.low, 3), round(ratio.high, 3)],
            "difference": _round(difference.value),
            "difference_interval": [_round(difference.low), _round(difference.high)],
            "p90": _round(percentile(self.ours, 0.9)),
            "peer_p90": _round(percentile(self.theirs, 0.9)),
            "n": len(self.ours),
            "discarded": self.discarded,
            "quiet": self.quiet,
        }


def case(what: str, sample: Sample, ours: str, theirs: str, goal: Goal) -> Case:
    first, second = ([s * 1000 for s in sample.of(name)] for name in (ours, theirs))
    return Case(what, theirs, goal, tuple(first), tuple(second), sample.discarded, sample.quiet)


@dataclass(frozen=True)
class Figure:
    """What is judged by a bound: a count, or a time that people have to wait. A peer only shows the machine."""

    what: str
    unit: str
    value: float
    most: float
    n: int
    quiet: bool = True
    peer_name: str = ""
    peer: float | None = None
    """In the same unit; None: there is none, or it did not get there."""

    @property
    def ok(self) -> bool:
        return self.value <= self.most

    @property
    def strain(self) -> float:
        return self.value / self.most if self.most else (0.0 if self.ok else math.inf)

    def to_dict(self) -> dict[str, Any]:
        goal = f"≤ {self.most:g} {self.unit}"
        figures = {"what": self.what, "value": round(self.value, 2), "unit": self.unit, "goal": goal, "ok": self.ok}
        peer: dict[str, Any] = {"peer": None, "ratio": None}
        if self.peer is not None:
            peer = {"peer": round(self.peer, 2), "peer_name": self.peer_name, "ratio": round(self.value / self.peer, 3)}
        return {**figures, **peer, "n": self.n, "quiet": self.quiet}


@dataclass(frozen=True)
class Row:
    """One benchmark. Its headline is the case that comes closest to its goal or misses it by most."""

    id: str
    title: str
    cases: tuple[Case | Figure, ...]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(c.ok is not False for c in self.cases)

    def to_dict(self) -> dict[str, Any]:
        headline = max(self.cases, key=lambda c: c.strain)
        cases = [c.to_dict() for c in self.cases]
        return {**headline.to_dict(), "ok": self.ok, "title": self.title, "cases": cases, "notes": self.notes}


def _round(milliseconds: float) -> float:
    return round(milliseconds, 2)
