"""The order of those that wait: the same for everybody, at any time, and nobody is passed for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import NOW, command

from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.queueing import EXACT_PLACES, shown_place, shows_well, turn_of

MINUTE = timedelta(minutes=1)
AGEINGS = st.sampled_from([timedelta(0), timedelta(seconds=1), MINUTE, timedelta(hours=7)])


def made(name: str, priority: int = 0, age: int = 0) -> Command:
    return replace(command(name=name, priority=priority), created_at=NOW - timedelta(seconds=age))


COMMANDS = st.lists(
    st.builds(made, st.text("ab", min_size=1, max_size=4), st.integers(-1000, 1000), st.integers(0, 10**6)),
    max_size=8,
    unique_by=lambda c: c.name,
)


def effective_priority(of: Command, now: datetime, ageing: timedelta) -> float:
    return of.spec.priority + ((now - of.created_at) / ageing if ageing else 0)


@given(COMMANDS, AGEINGS, st.integers(0, 10**7))
def test_at_any_time_the_order_is_that_of_priority_and_waited_time(
    commands: list[Command], ageing: timedelta, later: int
) -> None:
    now = NOW + timedelta(seconds=later)
    in_order = sorted(commands, key=lambda c: turn_of(c, ageing))
    for first, then in pairwise(in_order):
        ahead = effective_priority(first, now, ageing) - effective_priority(then, now, ageing)
        assert ahead > -1e-6
        if abs(ahead) < 1e-9:
            assert first.created_at <= then.created_at


@given(COMMANDS, AGEINGS)
def test_no_two_have_the_same_turn_and_everybody_sorts_alike(commands: list[Command], ageing: timedelta) -> None:
    turns = [turn_of(c, ageing) for c in commands]
    assert len(set(turns)) == len(turns)
    assert [turn.key for turn in sorted(turns)] == [c.key for c in sorted(commands, key=lambda c: turn_of(c, ageing))]


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.sampled_from([MINUTE, timedelta(hours=1)]))
def test_nobody_starves_whatever_comes_later(mine: int, theirs: int, ageing: timedelta) -> None:
    """What is made later than the span of all priorities, in intervals, comes later."""
    waits = made("waits", mine)
    latest = replace(made("late", theirs), created_at=NOW + 2000 * ageing + timedelta(seconds=1))
    assert turn_of(waits, ageing) < turn_of(latest, ageing)


@pytest.mark.parametrize(("ageing", "first"), [(MINUTE, "old"), (timedelta(minutes=5), "high"), (timedelta(0), "high")])
def test_waiting_makes_up_for_priority_unless_ageing_is_off(ageing: timedelta, first: str) -> None:
    waiting = [made("old", 0, age=601), made("high", 10, age=0)]
    assert min(waiting, key=lambda c: turn_of(c, ageing)).name == first


@pytest.mark.parametrize(
    ("place", "shown"),
    [(1, 1), (10, 10), (11, 11), (99, 99), (104, 100), (105, 110), (999, 1000), (1049, 1000), (9_950, 10_000)],
)
def test_places_far_back_are_rounded(place: int, shown: int) -> None:
    assert shown_place(place) == shown


@pytest.mark.parametrize(
    ("shown", "place", "is_well"),
    [
        (None, 5, False),
        (9, 10, False),
        (11, 10, False),
        (10, 11, False),
        (12, 11, True),
        (13, 11, False),
        (1100, 1000, True),
        (1101, 1000, False),
        (900, 1000, True),
        (1000, 909, False),
    ],
)
def test_a_place_far_back_is_corrected_only_when_it_is_a_tenth_off(
    shown: int | None, place: int, is_well: bool
) -> None:
    assert shows_well(shown, place) == is_well


@given(st.integers(1, 10**6))
def test_what_is_written_down_needs_no_correction(place: int) -> None:
    assert shows_well(shown_place(place), place)


@given(st.integers(1, 10**6))
def test_a_shown_place_is_near_the_true_one_and_never_before_those_that_are_exact(place: int) -> None:
    assert abs(shown_place(place) - place) <= place * 0.05
    assert place <= EXACT_PLACES or shown_place(place) > EXACT_PLACES
