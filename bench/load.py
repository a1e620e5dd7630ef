"""The load that `make scale` is asked for, and what is run of it on a machine that may not carry all of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SHARE = 0.35
"""Of the Jobs that the machine makes a second: so many commands it carries on and on. Each has a second pod, to publish
its work, and a whole life, of which making the first pod is the beginning."""

KILLED_AT, LAST_SHARE = 0.6, 0.9
"""The executor is killed after so much of the time, but not before as many commands are there as were asked for; they
are there before the last tenth of the arrivals, which thus meet one that has just been started again."""


@dataclass(frozen=True)
class Load:
    """As asked for."""

    minutes: float = 10
    most_minutes: float = 10
    rate: float = 20
    running: int = 1000
    total: int = 5000
    burst: int = 2000

    def changed(self, chosen: Mapping[str, Any]) -> Load:
        """Minutes that somebody names are the most, unless that is named, too."""
        most = {"most_minutes": chosen["minutes"]} if "minutes" in chosen else {}
        return replace(self, **{**most, **chosen})


SMOKE = Load(minutes=1, rate=4, running=80, total=200, burst=150)


@dataclass(frozen=True)
class Fitted:
    """The same load as it is run: fewer arrivals a second where the machine carries no more, over a longer time."""

    asked: Load
    rate: float
    jobs: float | None
    """That the machine makes a second; None: not measured, the rate is run as it was asked for."""

    @property
    def is_held(self) -> bool:
        return self.rate >= self.asked.rate

    @property
    def minutes(self) -> float:
        """So that as many as are asked for can arrive, as long as that is not too long."""
        until_all_are_there = self.asked.total / LAST_SHARE / self.rate / 60
        wanted = max(self.asked.minutes, until_all_are_there) if self.is_held else until_all_are_there
        return min(wanted, self.asked.most_minutes)

    @property
    def arrivals(self) -> int:
        return math.ceil(round(self.minutes * 60 * self.rate, 6))

    @property
    def resting(self) -> int:
        """Those that can not arrive in time are there from the beginning, suspended."""
        return max(self.asked.total - math.floor(round(self.arrivals * LAST_SHARE, 6)), 0)

    @property
    def kill_after(self) -> float:
        """Seconds."""
        return max(self.minutes * 60 * KILLED_AT, (self.asked.total - self.resting) / self.rate)

    @property
    def seconds(self) -> float:
        """How long each agent works, so that so many run at a time."""
        return self.asked.running / self.rate

    @property
    def reason(self) -> str:
        asked = f"{self.asked.rate:g} arrivals"
        if self.jobs is None:
            return f"{asked} are run as asked for: what this machine makes was not measured"
        verdict = "within what it can carry" if self.is_held else "more than it can carry"
        return f"this machine makes {self.jobs:.1f} such Jobs a second: {asked} are {verdict}"


def fit(asked: Load, jobs: float | None) -> Fitted:
    """`jobs`: with the same pod and volume, that this machine makes a second."""
    return Fitted(asked, asked.rate if jobs is None else min(asked.rate, SHARE * jobs), jobs)
