"""When a Lease counts as dead. Pure: times are given, and are those of one local clock that never goes back.

A holder is judged by one thing: for how long *we* have seen its Lease unchanged while we looked all the time. What it
says about time is another machine's clock and is not read, but for how long it is meant to last. A gap in our own
looking (the API server away, this process stopped) says nothing about others, so after it a whole lease time has to
pass anew: whoever was as cut off as we were has that long to be seen again. A look counts from when it was asked for, a
change from when it was answered, so that what is on the way never makes anybody look older than they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NEVER = float("-inf")


@dataclass(frozen=True)
class Mark:
    """What changes with each renewal, and how long one is good for."""

    renewal: str
    seconds: float


@dataclass(frozen=True)
class Sighting:
    mark: Mark
    since: float
    """When we first saw this mark."""
    changed: bool = False
    """Whether we have seen it change: then somebody was alive while we looked."""


@dataclass(frozen=True)
class Lookout:
    """What a number of looks at all Leases have come to."""

    lease_seconds: float
    longest_gap: float
    asked: float = NEVER
    """When the newest look that was answered had been asked for."""
    unbroken_since: float = NEVER
    sightings: Mapping[str, Sighting] = field(default_factory=dict)


def looked(before: Lookout, found: Mapping[str, Mark], asked: float, answered: float) -> Lookout:
    broken = asked - before.asked > before.longest_gap
    seen = {name: _sighting(before.sightings.get(name), mark, answered) for name, mark in found.items()}
    since = answered if broken else before.unbroken_since
    return replace(before, asked=asked, unbroken_since=since, sightings=seen)


def _sighting(before: Sighting | None, mark: Mark, answered: float) -> Sighting:
    if before is None:
        return Sighting(mark, answered)
    return before if before.mark == mark else Sighting(mark, answered, changed=True)


def silent_for(lookout: Lookout, name: str) -> float:
    """How long a Lease has surely not been renewed; at most as long as we have been looking without a gap."""
    sighting = lookout.sightings.get(name)
    began = max(lookout.unbroken_since, sighting.since if sighting else NEVER)
    return lookout.asked - began


def is_dead(lookout: Lookout, name: str) -> bool:
    """One that is not there at all is judged alike: it may be made any moment by an executor that was cut off."""
    sighting = lookout.sightings.get(name)
    lasts = max(lookout.lease_seconds, sighting.mark.seconds if sighting else 0)
    return silent_for(lookout, name) > lasts


def is_known_alive(lookout: Lookout, name: str) -> bool:
    """Not dead, and more than the benefit of the doubt: it was renewed while we looked."""
    sighting = lookout.sightings.get(name)
    return sighting is not None and sighting.changed and not is_dead(lookout, name)


def may_be_alive(lookout: Lookout, now: float) -> frozenset[str] | None:
    """All that are not dead; None while we have not looked for long enough, or no longer look."""
    if now - lookout.asked > lookout.longest_gap or lookout.asked - lookout.unbroken_since <= lookout.lease_seconds:
        return None
    return frozenset(name for name in lookout.sightings if not is_dead(lookout, name))
