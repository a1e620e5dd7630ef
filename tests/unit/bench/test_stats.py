from __future__ import annotations

from statistics import median

import pytest
from bench.stats import bootstrap, differences, median_with_interval, percentile, ratios
from hypothesis import given, settings
from hypothesis import strategies as st

numbers = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50)


def test_a_percentile_lies_between_its_two_nearest_ranks() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert percentile([10.0, 20.0], 0.9) == pytest.approx(19.0)
    assert percentile([7.0], 0.99) == 7.0


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_pairs_of_unequal_number_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0, 3.0], [1.0, 2.0])


def test_the_ratio_is_taken_pair_by_pair_so_that_a_slow_minute_cancels_out() -> None:
    assert ratios([10.0, 100.0], [5.0, 50.0]) == [2.0, 2.0]
    assert differences([10.0, 100.0], [5.0, 50.0]) == [5.0, 50.0]


@settings(max_examples=25, deadline=None)
@given(numbers)
def test_the_interval_holds_the_median_and_stays_among_the_values(values: list[float]) -> None:
    estimate = median_with_interval(values)
    assert estimate.value == median(values)
    assert min(values) <= estimate.low <= estimate.value <= estimate.high <= max(values)


def test_values_that_agree_give_a_narrow_interval_and_values_that_do_not_a_wide_one() -> None:
    steady = median_with_interval([1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.0, 1.01, 0.99])
    wild = median_with_interval([0.2, 5.0, 1.0, 0.1, 9.0, 2.0, 0.5, 3.0, 1.0, 7.0])
    assert steady.high - steady.low < 0.05
    assert wild.high - wild.low > 1.0


def test_the_same_values_give_the_same_interval_each_time() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    assert bootstrap(values, median) == bootstrap(values, median)
