"""Nobody is declared dead within a lease time of a change that was seen, or of a gap in the looking."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.liveness import (
    Lookout,
    Mark,
    is_dead,
    is_known_alive,
    looked,
    may_be_alive,
    silent_for,
)

LEASE, GAP = 15.0, 7.5
START = Lookout(lease_seconds=LEASE, longest_gap=GAP)


def look(lookout: Lookout, at: float, took: float = 0.0, **renewals: str) -> Lookout:
    return looked(lookout, {name: Mark(renewal, LEASE) for name, renewal in renewals.items()}, at, at + took)


def looks(*times: float, lookout: Lookout = START, **renewals: str) -> Lookout:
    for at in times:
        lookout = look(lookout, at, 0.0, **renewals)
    return lookout


def every(seconds: float, *, start: float = 0.0, until: float) -> list[float]:
    return [start + n * seconds for n in range(int((until - start) / seconds) + 1)]


def test_one_that_is_never_renewed_dies_after_a_lease_time_of_looking() -> None:
    assert not is_dead(looks(*every(3, until=15), other="1"), "other")
    assert is_dead(looks(*every(3, until=18), other="1"), "other")


def test_each_renewal_that_is_seen_gives_another_lease_time() -> None:
    lookout = looks(*every(3, until=12), other="1")
    renewed = looks(*every(3, start=15, until=30), lookout=lookout, other="2")

    assert not is_dead(renewed, "other")
    assert is_known_alive(renewed, "other")
    assert is_dead(looks(33, lookout=renewed, other="2"), "other")


def test_one_that_is_only_there_is_neither_known_to_be_alive_nor_dead() -> None:
    lookout = looks(0, 3, other="1")

    assert not is_known_alive(lookout, "other")
    assert not is_dead(lookout, "other")


def test_after_a_gap_a_whole_lease_time_has_to_pass_anew() -> None:
    away = looks(*every(3, until=12), other="1")
    back = looks(312, lookout=away, other="1")
    assert not is_dead(back, "other")
    later = looks(*every(3, start=315, until=327), lookout=back, other="1")
    assert not is_dead(later, "other")

    assert is_dead(looks(330, lookout=later, other="1"), "other")


def test_a_lease_that_is_meant_to_last_longer_is_given_longer() -> None:
    lookout = START
    for at in every(3, until=33):
        lookout = looked(lookout, {"slow": Mark("1", 30), "quick": Mark("1", 15)}, at, at)

    assert (is_dead(lookout, "slow"), is_dead(lookout, "quick")) == (True, True)
    assert not is_dead(looked(START, {"slow": Mark("1", 30)}, 0, 0), "slow")
    lookout = START
    for at in every(3, until=27):
        lookout = looked(lookout, {"slow": Mark("1", 30), "quick": Mark("1", 15)}, at, at)
    assert (is_dead(lookout, "slow"), is_dead(lookout, "quick")) == (False, True)


def test_slow_answers_make_nobody_look_older() -> None:
    lookout = START
    for at in every(4, until=16):
        lookout = look(lookout, at, took=4.0, other="1")

    assert silent_for(lookout, "other") == 12.0  # seen at 4, and surely still so at 16
    assert not is_dead(lookout, "other")


def test_who_is_not_there_is_dead_once_we_have_looked_for_a_lease_time() -> None:
    assert may_be_alive(looks(*every(3, until=15), me="1"), 15) is None
    assert may_be_alive(looks(*every(3, until=15), lookout=look(START, -3), me="1"), 15) == frozenset({"me"})


def test_when_nobody_looks_any_more_nobody_is_judged() -> None:
    lookout = looks(*every(3, until=30), me="1")

    assert may_be_alive(lookout, 30 + GAP) is not None
    assert may_be_alive(lookout, 30 + GAP + 0.1) is None


@dataclass
class Truth:
    """What really happened: when we looked, and when the other renewed."""

    lookout: Lookout
    changes: list[float]
    gaps: list[float]


@st.composite
def histories(draw: st.DrawFn) -> Truth:
    """Looks that take their time, some late or lost, beside renewals at times of their own."""
    steps = draw(st.lists(st.tuples(st.floats(0.1, 20), st.floats(0, 3), st.booleans()), min_size=1, max_size=30))
    lookout, now, renewal = START, 0.0, 0
    truth = Truth(START, [], [])
    for wait, took, renews in steps:
        asked = now + wait
        if asked - lookout.asked > GAP:
            truth.gaps.append(asked + took)
        if renews or renewal == 0:
            renewal += 1
            truth.changes.append(asked + took)
        lookout = look(lookout, asked, took, other=str(renewal))
        now = asked + took
    truth.lookout = lookout
    return truth


@given(histories())
def test_nobody_is_dead_within_a_lease_time_of_a_change_or_of_a_gap(truth: Truth) -> None:
    if is_dead(truth.lookout, "other"):
        assert truth.lookout.asked - truth.changes[-1] > LEASE
        assert truth.lookout.asked - truth.gaps[-1] > LEASE


@pytest.mark.parametrize("interval", [1.0, 3.0, 7.0])
@given(wait=st.floats(0, 1))
def test_who_is_silent_is_dead_soon_after_a_lease_time(interval: float, wait: float) -> None:
    times = every(interval, start=wait, until=wait + LEASE + 2 * interval)

    assert is_dead(looks(*times, other="1"), "other")
