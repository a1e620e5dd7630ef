"""Since when the API server can be asked. While it could not nobody got on, neither kubelets nor we, so that deadlines
do not count that time. A failure now and then is no outage; that this process was stopped for as long is one.

Reads and writes are told apart: where etcd takes no writes, reads are answered all the while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bugcommand_operator.cluster.clock import local_clock
from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable

OUTAGE = 15.0
"""Seconds without an answer, of which it is known by failures that are at least so far apart:"""
FAILING_FOR = 5.0
LAST_TRIED_WITHIN = 300.0
"""What nobody has tried for longer may be there again."""
GIVEN_UP_AFTER = 0.5
"""Who has waited for so many seconds and is cancelled has waited in vain."""
PULSE_SECONDS = 1.0


@dataclass
class Answers:
    """To requests of one sort, by a clock's seconds."""

    since: datetime | None = None
    last: float | None = None
    failures: tuple[float, float] | None = None
    """Since the last answer: when what failed first was asked, and when the last one failed."""

    def failed(self, asked: float, at: float) -> None:
        first = self.failures[0] if self.failures else max(asked, self.last or asked)
        self.failures = first, at

    def answered(self, at: float, now: datetime) -> None:
        if self.since is None or self.are_missed(at):
            self.since = now
        self.failures, self.last = None, at

    def are_missed(self, at: float) -> bool:
        """Whoever fails again and again asks ever more seldom, so the last failure may be long ago."""
        if self.failures is None:
            return False
        first, last = self.failures
        return last - first >= FAILING_FOR and at - first >= OUTAGE and at - last < LAST_TRIED_WITHIN


class Reach:
    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float] = local_clock) -> None:
        """`now`: the API server's time, as it is known, which may jump; how long something lasts is told by `clock`."""
        self._now = now
        self.clock = clock
        self._reads, self._writes = Answers(), Answers()
        self._alive_at: float | None = None

    def since(self) -> datetime | None:
        """The first answer there was, or the first one after an outage, of which the end is now at the earliest. None:
        there was no answer yet."""
        both, at = (self._reads, self._writes), self.clock()
        if self._was_stopped() or any(answers.are_missed(at) for answers in both):
            return self._now()
        return max((answers.since for answers in both if answers.since is not None), default=None)

    @contextmanager
    def noting(self, *, writes: bool) -> Iterator[None]:
        """What becomes of one request: a refusal is an answer, too."""
        asked = self.clock()
        try:
            yield
        except ClusterUnavailable:
            self.failed(asked, writes=writes)
            raise
        except asyncio.CancelledError:
            if self.clock() - asked >= GIVEN_UP_AFTER:
                self.failed(asked, writes=writes)
            raise
        except ClusterError:
            self.answered(writes=writes)
            raise
        self.answered(writes=writes)

    def failed(self, asked: float, *, writes: bool) -> None:
        self._answers(writes).failed(asked, self.clock())

    def answered(self, *, writes: bool) -> None:
        self._answers(writes).answered(self.clock(), self._now())

    def pulse(self) -> None:
        """Told each second that this process goes on: what it has seen before it was stopped may be long ago."""
        at = self.clock()
        if self._alive_at is not None and self._was_stopped():
            self._reads.failures = self._alive_at, at
        self._alive_at = at

    def _answers(self, writes: bool) -> Answers:
        return self._writes if writes else self._reads

    def _was_stopped(self) -> bool:
        return self._alive_at is not None and self.clock() - self._alive_at >= OUTAGE
