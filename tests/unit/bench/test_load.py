"""What is run of a load that was asked for, by what the machine makes."""

from __future__ import annotations

import pytest
from bench.load import SHARE, SMOKE, Fitted, Load, fit

ASKED = Load()


def loads() -> list[Fitted]:
    machines = (0.5, 3.0, 12.2, 25.0, 58.0, 200.0, None)
    asked = (ASKED, SMOKE, ASKED.changed({"minutes": 2.0}), ASKED.changed({"rate": 10.0, "total": 900}))
    return [fit(load, jobs) for load in asked for jobs in machines]


def test_a_machine_with_room_to_spare_runs_what_was_asked_for() -> None:
    load = fit(ASKED, 100)
    assert (load.rate, load.minutes, load.arrivals, load.resting, load.seconds) == (20, 10, 12_000, 0, 50)
    assert load.kill_after == 360
    assert load.reason == "this machine makes 100.0 such Jobs a second: 20 arrivals are within what it can carry"


def test_a_small_machine_runs_a_share_of_the_jobs_that_it_makes_for_longer_and_with_as_many_at_a_time() -> None:
    load = fit(ASKED, 12.2)
    assert load.rate == pytest.approx(SHARE * 12.2)
    assert load.minutes == 10
    assert load.seconds * load.rate == pytest.approx(1000)
    assert load.resting + load.arrivals >= 5000
    assert load.reason == "this machine makes 12.2 such Jobs a second: 20 arrivals are more than it can carry"


def test_where_the_asked_rate_is_not_held_the_time_is_what_all_need_to_arrive_and_not_the_asked_time() -> None:
    load = fit(ASKED, 50)
    assert (load.rate, load.resting) == (17.5, 0)
    assert load.minutes * 60 == pytest.approx(5000 / 0.9 / 17.5)


def test_what_can_not_arrive_in_the_longest_time_is_there_suspended() -> None:
    load = fit(ASKED, 2)
    assert (load.minutes, load.arrivals) == (10, 420)
    assert load.resting == 5000 - 378


def test_a_rate_that_nothing_was_measured_for_is_run_as_it_is() -> None:
    load = fit(ASKED.changed({"rate": 7.5, "most_minutes": 20.0}), None)
    assert (load.rate, load.is_held, load.resting) == (7.5, True, 0)
    assert load.reason == "7.5 arrivals are run as asked for: what this machine makes was not measured"


def test_minutes_that_somebody_names_are_the_most_unless_that_is_named_too() -> None:
    short = fit(ASKED.changed({"minutes": 2.0, "rate": 10.0}), None)
    assert (short.minutes, short.arrivals, short.resting) == (2, 1200, 5000 - 1080)
    assert fit(ASKED.changed({"minutes": 30.0}), 100).minutes == 30
    assert fit(ASKED.changed({"minutes": 2.0, "most_minutes": 15.0}), 12.2).minutes == 15


def test_the_smoke_run_is_a_minute_on_two_cores() -> None:
    assert (fit(SMOKE, 12.2).minutes, fit(SMOKE, 12.2).resting) == (1, 0)


@pytest.mark.parametrize("load", loads())
def test_all_are_there_when_the_executor_is_killed_and_more_arrive_after_it(load: Fitted) -> None:
    assert load.resting + load.rate * load.kill_after >= load.asked.total - 1e-6
    assert load.kill_after <= load.minutes * 60 * 0.9 + 1 / load.rate
    assert load.minutes <= load.asked.most_minutes
