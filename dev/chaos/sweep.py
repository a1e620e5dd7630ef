"""Each write of a life in turn: the executor dies before it, after it, or with it on its way; another one goes on.

The writes are those that a life without faults was seen to make; none is listed by hand.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from dev.chaos import stories
from dev.chaos.fates import KILLS, Fate, Profile
from dev.chaos.schedule import Schedule
from dev.chaos.stories import Story

SEEDS = {deed: range(4) for deed in stories.DEEDS}
"""A deed falls into another part of the life for each."""


def lives() -> Iterator[tuple[str, str, int]]:
    """How the pods go, what people do, and by which seed."""
    yield from ((script, "left in peace", 0) for script in stories.SCRIPTS)
    yield from (("a fix", deed, seed) for deed in stories.DEEDS if deed != "left in peace" for seed in SEEDS[deed])


def bereaved(script: str, forced: dict[int, Fate] | None = None) -> Schedule:
    """Two executors: the first that dies is gone for good, and the other has to take over what it had."""
    return Schedule(0, tells=partial(_story, script, "left in peace"), mixes=Profile.bereaved, forced=forced or {})


def life(script: str, deed: str, seed: int, forced: dict[int, Fate] | None = None, denied_each: int = 0) -> Schedule:
    return Schedule(
        seed,
        tells=partial(_story, script, deed),
        mixes=Profile.gentle,
        forced=forced or {},
        denied_each=denied_each,
    )


def deaths(writes: int) -> Iterator[dict[int, Fate]]:
    for number in range(writes):
        for fate in sorted(KILLS):
            yield {number: fate}


def _story(script: str, deed: str, dice: random.Random, rounds: int) -> Story:
    return stories.made(script, deed, dice, rounds)
