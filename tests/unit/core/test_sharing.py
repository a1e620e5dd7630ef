"""Which executor a command is for: the same by everybody's reckoning, evenly, and steady when executors come and go."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.sharing import WINDOW, preferred, ranked, until_its_turn

IDS = st.sets(st.text("abcdef-0123456789", min_size=1, max_size=20), min_size=1, max_size=8)
UIDS = st.uuids().map(str)
AGES = st.timedeltas(timedelta(hours=-2), timedelta(days=30))
COMMANDS = [f"0b5c7c0e-58c1-4d0b-9a83-{number:012x}" for number in range(3000)]


@given(IDS, UIDS)
def test_exactly_one_is_preferred_whatever_the_order_in_which_they_are_named(ids: set[str], uid: str) -> None:
    first = preferred(uid, sorted(ids))

    assert first in ids
    assert first == preferred(uid, sorted(ids, reverse=True)) == ranked(uid, ids)[0]
    assert sorted(ranked(uid, ids)) == sorted(ids)


@given(IDS, UIDS, st.data())
def test_one_that_goes_moves_only_its_own_share(ids: set[str], uid: str, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(ids)))
    before, after = preferred(uid, ids), preferred(uid, ids - {gone})

    assert before in {after, gone}


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_shares_are_even_within_the_spread_of_chance(count: int) -> None:
    ids = [f"bridge-mentu-executor-{number}" for number in range(count)]
    shares = Counter(preferred(uid, ids) for uid in COMMANDS)
    even = len(COMMANDS) / count

    assert set(shares) == set(ids)
    assert max(abs(share - even) for share in shares.values()) < 5 * even**0.5


def test_nobody_is_preferred_of_none() -> None:
    assert preferred("x", []) is None


@given(st.integers(2, 8), AGES)
def test_at_any_age_the_first_may_take_a_command_and_at_most_one_other(count: int, age: timedelta) -> None:
    may = [rank for rank in range(count) if until_its_turn(rank, count, age) == timedelta(0)]

    assert may[0] == 0
    assert len(may) <= 2


@given(st.integers(2, 8), AGES, st.data())
def test_what_the_first_has_left_is_taken_within_a_round_of_windows(
    count: int, age: timedelta, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, count - 1))
    wait = until_its_turn(rank, count, age)

    assert timedelta(0) <= wait < count * WINDOW
    assert until_its_turn(rank, count, age + wait) == timedelta(0)


def test_a_command_that_was_just_made_is_left_to_the_first_for_a_window() -> None:
    just_made = timedelta(seconds=0.3)

    assert [until_its_turn(rank, 3, just_made) for rank in range(3)] == [
        timedelta(0),
        WINDOW - just_made,
        2 * WINDOW - just_made,
    ]
