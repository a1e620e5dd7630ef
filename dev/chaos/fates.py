"""What can happen to one call, and which of it a schedule's dice allow."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from bugcommand_operator.cluster.errors import AccessDenied, ClusterError, ClusterUnavailable, Conflict, Expired
from dev.chaos.points import Point


class Fate(StrEnum):
    WELL = "well"
    LATE_ANSWER = "its answer is late"
    DENIED = "denied"
    LOST_ANSWER = "done, its answer lost"
    LATE = "given up, and done later all the same"
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    KILLED_ON_THE_WAY = "killed, and done later all the same"


FAULTS = (
    Fate.DENIED,
    Fate.LOST_ANSWER,
    Fate.LATE,
    Fate.KILLED_BEFORE,
    Fate.KILLED_AFTER,
    Fate.KILLED_ON_THE_WAY,
)
KILLS = frozenset({Fate.KILLED_BEFORE, Fate.KILLED_AFTER, Fate.KILLED_ON_THE_WAY})
OF_READS = frozenset({Fate.DENIED, Fate.KILLED_BEFORE})
"""To one who only reads, an answer that is lost is one that was denied."""
LANDS_LATER = frozenset({Fate.LATE, Fate.KILLED_ON_THE_WAY})


class Denials(StrEnum):
    CONFLICT = "409"
    OVERLOADED = "429"
    BROKEN = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "no answer"


@dataclass(frozen=True)
class Outage:
    """A while in which every call, or every write, ends the same way."""

    first_round: int
    last_round: int
    name: str
    error: Callable[[], ClusterError]
    writes_only: bool
    round_seconds: int | None = None
    """How long each of its rounds is; None: as long as any other."""

    def lasts(self, round_: int) -> bool:
        return self.first_round <= round_ <= self.last_round

    def error_for(self, point: Point, round_: int) -> ClusterError | None:
        return self.error() if self.lasts(round_) and (point.writes or not self.writes_only) else None


def revoked() -> ClusterError:
    return AccessDenied("forbidden: cannot do that", 403)


def away() -> ClusterError:
    return ClusterUnavailable("no route to the API server")


def full() -> ClusterError:
    return ClusterUnavailable("etcdserver: mvcc: database space exceeded", 500)


OUTAGES = (
    ("API server away", away, False, None),
    ("API server away for minutes", away, False, 80),
    ("RBAC revoked", revoked, True, None),
    ("etcd full", full, True, None),
)


def denial(dice: random.Random, point: Point) -> ClusterError:
    if point.verb == "list" and dice.random() < 0.3:
        return Expired("too old a version", 410)
    kind = dice.choice(list(Denials))
    if kind is Denials.CONFLICT and point.writes:
        return Conflict("the object has been modified", 409)
    return ClusterUnavailable(f"{kind} by the test")


@dataclass(frozen=True)
class Profile:
    """How rough a schedule is. Each has its own mix, so that rare combinations come up too."""

    executors: int
    fault_rate: float
    fates: tuple[Fate, ...]
    late_answers: float
    pauses: float
    stalls: float
    kills: float
    tails: bool
    skews: tuple[timedelta, ...]
    outage: Outage | None
    namespace_limit: int = 0
    turns: int = 16
    """How many passes of a sort ask the API server at a time."""
    has_registry: bool = True
    """Executors know of each other, and take over what the dead have left."""
    loses_one: bool = False
    """The first executor that is killed never comes back."""

    @classmethod
    def gentle(cls, _dice: random.Random, _rounds: int) -> Profile:
        """One executor, and nothing goes wrong by itself."""
        return cls(1, 0.0, (), 0.0, 0.0, 0.0, 0.0, tails=True, skews=(timedelta(),), outage=None)

    @classmethod
    def bereaved(cls, dice: random.Random, rounds: int) -> Profile:
        """Two of which one, once it is killed, is gone for good; nothing else goes wrong by itself."""
        return replace(cls.gentle(dice, rounds), executors=2, skews=(timedelta(),) * 2, loses_one=True)

    @classmethod
    def by(cls, dice: random.Random, rounds: int) -> Profile:
        fates = tuple(fate for fate in FAULTS if dice.random() < 0.5)
        executors = dice.choice([1, 1, 2, 2, 3])
        wrong = timedelta(hours=1)
        skews = [dice.choice([-wrong, wrong, timedelta()]) if dice.random() < 0.1 else timedelta()] * executors
        return cls(
            executors=executors,
            fault_rate=dice.choice([0.0, 0.05, 0.15, 0.4]) if fates else 0.0,
            fates=fates,
            late_answers=dice.choice([0.0, 0.3, 0.7]),
            pauses=dice.choice([0.0, 0.0, 0.03]),
            stalls=dice.choice([0.0, 0.0, 0.03]),
            kills=dice.choice([0.0, 0.0, 0.02]),
            tails=dice.random() < 0.3,
            skews=tuple(skews),
            outage=_outage(dice, rounds) if dice.random() < 0.2 else None,
            namespace_limit=dice.choice([0, 0, 1, 2]),
            turns=dice.choice([1, 2, 16]),
            has_registry=dice.random() < 0.7,
            loses_one=executors > 1 and dice.random() < 0.3,
        )


def _outage(dice: random.Random, rounds: int) -> Outage:
    name, error, writes_only, round_seconds = dice.choice(OUTAGES)
    first = dice.randrange(rounds)
    return Outage(first, first + dice.choice([1, 3, 6, 12]), name, error, writes_only, round_seconds)
