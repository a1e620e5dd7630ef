"""Since when the API server can be asked. While it could not nobody got on, neither kubelets nor we, so that deadlines
do not count that time. A failure now and then is no outage; that this process was stopped for as long is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from bugcommand_operator.cluster.clock import local_clock
from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable

OUTAGE = 15.0
"""Seconds without an answer, of which it is known by failures that are at least so far apart:"""
FAILING_FOR = 5.0
GIVEN_UP_AFTER = 0.5
"""Who has waited for so many seconds and is cancelled has waited in vain."""
PULSE_SECONDS = 1.0


class Reach:
    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float] = local_clock) -> None:
        """`now`: the API server's time, as it is known, which may jump; how long something lasts is told by `clock`."""
        self._now = now
        self._clock = clock
        self._since: datetime | None = None
        self._answered_at: float | None = None
        self._failures: tuple[float, float] | None = None
        """Since the last answer: when what failed first was asked, and when the last one failed."""
        self._alive_at: float | None = None

    def since(self) -> datetime | None:
        """The first answer there was, or the first one after an outage, of which the end is now at the earliest. None:
        there was no answer yet."""
        return self._now() if self._is_away() or self._was_stopped() else self._since

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What becomes of one request: a refusal is an answer, too."""
        asked = self._clock()
        try:
            yield
        except ClusterUnavailable:
            self.failed(asked)
            raise
        except asyncio.CancelledError:
            if self._clock() - asked >= GIVEN_UP_AFTER:
                self.failed(asked)
            raise
        except ClusterError:
            self.answered()
            raise
        self.answered()

    def failed(self, asked: float | None = None) -> None:
        asked = self._clock() if asked is None else asked
        first = self._failures[0] if self._failures else max(asked, self._answered_at or asked)
        self._failures = first, self._clock()

    def pulse(self) -> None:
        """Told each second that this process goes on: what it has seen before it was stopped may be long ago."""
        if self._alive_at is not None and self._was_stopped():
            self._failures = self._alive_at, self._clock()
        self._alive_at = self._clock()

    def answered(self) -> None:
        if self._since is None or self._is_away():
            self._since = self._now()
        self._failures, self._answered_at = None, self._clock()

    def _is_away(self) -> bool:
        """Whoever fails again and again asks ever more seldom, so the last failure may be long ago."""
        if self._failures is None:
            return False
        first, last = self._failures
        return last - first >= FAILING_FOR and self._clock() - first >= OUTAGE

    def _was_stopped(self) -> bool:
        return self._alive_at is not None and self._clock() - self._alive_at >= OUTAGE
