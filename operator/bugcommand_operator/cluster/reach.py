"""Since when the API server can be asked. While it could not nobody got on, neither kubelets nor we, so that deadlines
do not count that time. A failure now and then is no outage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable

OUTAGE = timedelta(seconds=15)
"""Failures alone for so long are one."""


class Reach:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failing_since: datetime | None = None
        self.since: datetime | None = None
        """The first answer there was, or the first one after an outage; None before."""

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What becomes of one request: a refusal is an answer, too."""
        try:
            yield
        except ClusterUnavailable:
            self.failed()
            raise
        except ClusterError:
            self._answered()
            raise
        self._answered()

    def failed(self) -> None:
        self._failing_since = self._failing_since or self._now()

    def _answered(self) -> None:
        if self.since is None or self._was_away():
            self.since = self._now()
        self._failing_since = None

    def _was_away(self) -> bool:
        return self._failing_since is not None and self._now() - self._failing_since >= OUTAGE
