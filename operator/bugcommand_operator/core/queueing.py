"""In which order waiting commands run. Pure.

Each point of priority is worth the ageing interval: a command's effective priority is its own plus the time since it
was made, in intervals. All age alike, so of two commands the same one comes first at any time: the order needs no
clock, all executors agree on it, and it can be kept sorted. Nobody starves: priorities are bounded, and so is how much
later a command may be made and still come first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from bugcommand_operator.core.observed import Command

EXACT_PLACES = 10


class Turn(NamedTuple):
    """A place in the order; the smallest is next. No two commands have the same."""

    rank: float
    created: float
    namespace: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


def turn_of(command: Command, ageing: timedelta) -> Turn:
    created, priority = command.created_at.timestamp(), command.spec.priority
    rank = created - priority * ageing.total_seconds() if ageing else -float(priority)
    return Turn(rank, created, *command.key)


def shown_place(place: int) -> int:
    """What is written down: the first places exactly, those behind them to two digits, so that most of a long queue
    stays as it is while it moves."""
    step: int = 10 ** max(len(str(place)) - 2, 0)
    return place if place <= EXACT_PLACES else (place + step // 2) // step * step


def shows_well(shown: int | None, place: int) -> bool:
    """Whether what is written down needs no correction: behind the first places, to a tenth. A queue that was filled in
    a moment, or that moves, is rewritten by a few."""
    if shown is None or place <= EXACT_PLACES or shown <= EXACT_PLACES:
        return shown == place
    return abs(shown - place) <= place // 10
