"""Since when the API server can be asked: an outage is over with the first answer after it, a failure alone is none."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, NotFound
from bugcommand_operator.cluster.reach import OUTAGE, Reach

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Asking:
    def __init__(self) -> None:
        self.now = BEGIN
        self.reach = Reach(lambda: self.now)

    def after(self, seconds: float, error: type[ClusterError] | None = None) -> timedelta | None:
        """Since when the API server can be asked, counted from the beginning."""
        self.now += timedelta(seconds=seconds)
        with contextlib.suppress(ClusterError), self.reach.noting():
            if error is not None:
                raise error("by the test")
        since = self.reach.since()
        return since - BEGIN if since is not None else None

    def goes_on_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.reach.pulse()


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_who_has_just_started_knows_nothing_from_before(asking: Asking) -> None:
    assert asking.after(1, ClusterUnavailable) is None
    assert asking.after(1) == timedelta(seconds=2)
    assert asking.after(60) == timedelta(seconds=2)


def test_an_outage_is_over_with_the_first_answer(asking: Asking) -> None:
    asking.after(0)
    for _ in range(3):
        asking.after(OUTAGE.total_seconds(), ClusterUnavailable)

    assert asking.after(10) == 3 * OUTAGE + timedelta(seconds=10)


def test_failures_with_answers_between_them_are_no_outage(asking: Asking) -> None:
    asking.after(0)
    for _ in range(10):
        asking.after(OUTAGE.total_seconds() / 2, ClusterUnavailable)
        assert asking.after(1) == timedelta(0)


def test_where_nothing_was_asked_for_long_there_was_no_outage(asking: Asking) -> None:
    asking.after(0)
    asking.after(3600, ClusterUnavailable)

    assert asking.after(1) == timedelta(0)


def test_while_it_is_away_its_end_is_now_at_the_earliest(asking: Asking) -> None:
    asking.after(0)
    asking.after(1, ClusterUnavailable)

    assert asking.after(100, ClusterUnavailable) == timedelta(seconds=101)


def test_that_this_process_was_stopped_is_an_outage_known_at_once(asking: Asking) -> None:
    """What is decided first then is decided by what was seen long ago."""
    asking.after(0)
    asking.goes_on_for(100)
    assert asking.reach.since() == BEGIN
    asking.now += 2 * OUTAGE
    assert asking.reach.since() == asking.now
    asking.reach.pulse()
    assert asking.reach.since() == asking.now

    answered = asking.after(1)
    asking.goes_on_for(100)
    assert asking.after(0) == answered == timedelta(seconds=101) + 2 * OUTAGE


def test_a_refusal_is_an_answer(asking: Asking) -> None:
    assert asking.after(0, NotFound) == timedelta(0)
    asking.after(1, ClusterUnavailable)
    asking.after(1, NotFound)

    assert asking.after(3600, ClusterUnavailable) == timedelta(0)
    assert asking.after(1) == timedelta(0)
