from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from bench import canary, rounds
from bench.rounds import Arm, Round, measure, order, sample_from


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", 0.0)


def recorded(name: str, said: list[str], seconds: float) -> Arm:
    async def trial() -> float:
        said.append(name)
        return seconds

    return Arm(name, trial)


def constant() -> float:
    return 0.01


async def test_the_arms_take_turns_in_going_first() -> None:
    said: list[str] = []
    await measure([recorded("A", said, 1.0), recorded("B", said, 2.0)], 4, sing=constant)
    assert "".join(said) == "ABBAABBA"


async def test_seconds_of_the_same_round_stand_at_the_same_place() -> None:
    numbers = iter(range(1, 100))

    def arm(name: str, factor: float) -> Arm:
        async def trial() -> float:
            return next(numbers) * factor

        return Arm(name, trial)

    sample = await measure([arm("A", 1.0), arm("B", -1.0)], 2, sing=constant)
    assert sample.of("A") == [1.0, 4.0]
    assert sample.of("B") == [-2.0, -3.0]


def test_three_arms_are_reversed_as_a_whole() -> None:
    arms = [Arm(n, _never) for n in "ABC"]
    assert [a.name for a in order(arms, 1)] == ["C", "B", "A"]


async def test_a_round_in_which_the_machine_was_disturbed_is_made_up_for() -> None:
    songs = singing([0.01, 0.02] + [0.01] * 100)
    said: list[str] = []
    sample = await measure([recorded("A", said, 1.0)], 10, sing=songs)
    assert len(sample.of("A")) == 10
    assert sample.discarded == 1
    assert sample.quiet
    assert len(said) == 11


async def test_a_machine_that_is_never_quiet_ends_the_measurement_all_the_same_and_is_told() -> None:
    songs = singing([0.01, 0.02] * 100)
    said: list[str] = []
    sample = await measure([recorded("A", said, 1.0)], 10, sing=songs)
    assert len(said) == 15
    assert not sample.quiet
    assert len(sample.of("A")) == 15
    assert sample.discarded == 0


async def test_progress_is_told_once_for_each_round_that_was_promised() -> None:
    ticks: list[int] = []
    songs = singing([0.01, 0.02] * 100)
    await measure([recorded("A", [], 1.0)], 4, tick=lambda: ticks.append(1), sing=songs)
    assert len(ticks) == 4


def test_rounds_that_drifted_do_not_count_where_enough_are_steady() -> None:
    taken = [Round({"A": float(n)}, drifted=n == 3) for n in range(11)]
    sample = sample_from(taken)
    assert 3.0 not in sample.of("A")
    assert (sample.discarded, sample.quiet) == (1, True)


@pytest.mark.parametrize(
    ("before", "after", "drifted"), [(1.0, 1.19, False), (1.0, 1.21, True), (1.21, 1.0, True), (1.0, 1.0, False)]
)
def test_a_fifth_slower_or_faster_is_a_drift(before: float, after: float, drifted: bool) -> None:
    assert canary.drifts(before, after) is drifted


def singing(seconds: list[float]) -> Callable[[], float]:
    left: Iterator[float] = iter(seconds)
    return lambda: next(left)


def _never() -> Awaitable[float]:
    raise AssertionError("not to be measured")


async def test_a_measurement_that_takes_too_long_ends_with_the_fewest_rounds_that_say_anything() -> None:
    said: list[str] = []
    sample = await measure([recorded("A", said, 1.0)], 10, sing=constant, seconds=0.0)
    assert len(said) == rounds.FEWEST_ROUNDS
    assert sample.quiet


@pytest.mark.parametrize(("drifted", "quiet"), [(1, True), (2, True), (3, False)])
def test_of_few_rounds_two_thirds_have_to_be_steady(drifted: int, quiet: bool) -> None:
    sample = sample_from([Round({"A": 1.0}, drifted=n < drifted) for n in range(6)])
    assert sample.quiet is quiet
