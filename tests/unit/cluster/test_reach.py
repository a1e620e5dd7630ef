"""Since when the API server can be asked: an outage is over with the first answer after it, a failure alone is none."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, NotFound
from bugcommand_operator.cluster.reach import LAST_TRIED_WITHIN, OUTAGE, Reach

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Asking:
    def __init__(self) -> None:
        self.now = BEGIN
        self.elapsed = 0.0
        self.reach = Reach(lambda: self.now, lambda: self.elapsed)

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.elapsed += seconds

    def after(
        self, seconds: float, error: type[BaseException] | None = None, hangs: float = 0.0, *, writes: bool = False
    ) -> float | None:
        """Since when the API server can be asked, in seconds from the beginning."""
        self.pass_(seconds)
        with contextlib.suppress(ClusterError, asyncio.CancelledError), self.reach.noting(writes=writes):
            self.pass_(hangs)
            if error is not None:
                raise error("by the test")
        return self.since()

    def since(self) -> float | None:
        since = self.reach.since()
        return (since - BEGIN).total_seconds() if since is not None else None

    def goes_on_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.pass_(1)
            self.reach.pulse()


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_who_has_just_started_knows_nothing_from_before(asking: Asking) -> None:
    assert asking.after(1, ClusterUnavailable) is None
    assert asking.after(1) == 2
    assert asking.after(60) == 2


def test_an_outage_is_over_with_the_first_answer(asking: Asking) -> None:
    asking.after(0)
    for _ in range(3):
        asking.after(OUTAGE, ClusterUnavailable)

    assert asking.after(10) == 3 * OUTAGE + 10


def test_an_outage_of_which_the_last_failure_is_long_ago_is_one(asking: Asking) -> None:
    """Back-off doubles: nobody has asked between the last failure and the answer."""
    asking.after(0)
    for pause in (0, 1, 1, 2, 3):
        asking.after(pause, ClusterUnavailable)

    assert asking.after(13) == 20


def test_failures_with_answers_between_them_are_no_outage(asking: Asking) -> None:
    asking.after(0)
    for _ in range(10):
        asking.after(OUTAGE / 2, ClusterUnavailable)
        assert asking.after(1) == 0


@pytest.mark.parametrize(("before", "after"), [(3600, 1), (1, 3600)])
def test_one_failure_where_little_is_asked_is_no_outage(asking: Asking, before: float, after: float) -> None:
    asking.after(0)
    asking.after(before, ClusterUnavailable)

    assert asking.after(after) == 0


@pytest.mark.parametrize("error", [ClusterUnavailable, asyncio.CancelledError])
def test_an_api_server_that_takes_what_is_asked_and_never_answers_is_away(
    asking: Asking, error: type[BaseException]
) -> None:
    """Also where whoever asks has less patience than the client."""
    asking.after(0)
    for _ in range(4):
        asking.after(0.5, error, hangs=5)

    assert asking.after(1) == 23


def test_what_is_cancelled_before_it_could_be_answered_says_nothing(asking: Asking) -> None:
    asking.after(0)
    for _ in range(30):
        asking.after(1, asyncio.CancelledError, hangs=0.1)

    assert asking.after(1) == 0


def test_one_request_that_hangs_while_others_are_answered_is_no_outage(asking: Asking) -> None:
    asking.after(0)
    with contextlib.suppress(ClusterError), asking.reach.noting(writes=False):
        assert asking.after(29) == 0
        asking.pass_(1)
        raise ClusterUnavailable("by the test")

    assert asking.after(1) == 0


def test_while_it_is_away_its_end_is_now_at_the_earliest(asking: Asking) -> None:
    asking.after(0)
    asking.after(1, ClusterUnavailable)

    assert asking.after(100, ClusterUnavailable) == 101


def test_that_this_process_was_stopped_is_an_outage_known_at_once(asking: Asking) -> None:
    """What is decided first then is decided by what was seen long ago."""
    asking.after(0)
    asking.goes_on_for(100)
    assert asking.since() == 0
    asking.pass_(2 * OUTAGE)
    assert asking.since() == 100 + 2 * OUTAGE
    asking.reach.pulse()
    assert asking.since() == 100 + 2 * OUTAGE

    answered = asking.after(1)
    asking.goes_on_for(100)
    assert asking.after(0) == answered == 101 + 2 * OUTAGE


def test_a_clock_of_the_api_server_that_jumps_is_no_outage(asking: Asking) -> None:
    """Two of them, whose clocks differ, answer in turn."""
    asking.after(0)
    for _ in range(5):
        asking.goes_on_for(1)
        asking.now += timedelta(minutes=1)
        assert asking.after(0) == 0
        asking.now -= timedelta(minutes=1)
        assert asking.after(0) == 0


def test_a_refusal_is_an_answer(asking: Asking) -> None:
    assert asking.after(0, NotFound) == 0
    asking.after(1, ClusterUnavailable)
    asking.after(1, NotFound)

    assert asking.after(3600, ClusterUnavailable) == 0
    assert asking.after(1) == 0


def test_where_nothing_can_be_written_reads_do_not_tell_that_all_is_well(asking: Asking) -> None:
    """etcd is full, or has lost its majority."""
    asking.after(0)
    assert asking.after(0, writes=True) == 0
    for _ in range(5):
        asking.after(5, ClusterUnavailable, writes=True)
        asking.after(1)
    assert asking.since() == 30
    asking.pass_(3)

    assert asking.after(0, writes=True) == 33
    assert asking.after(60) == 33


def test_what_nobody_has_tried_for_long_is_not_known_to_be_away(asking: Asking) -> None:
    asking.after(0)
    for _ in range(3):
        asking.after(OUTAGE, ClusterUnavailable, writes=True)
    assert asking.after(LAST_TRIED_WITHIN - 1) == 3 * OUTAGE + LAST_TRIED_WITHIN - 1

    assert asking.after(1) == 0
