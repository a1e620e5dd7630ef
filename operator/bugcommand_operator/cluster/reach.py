"""Since when the API server can be asked. While it could not nobody got on, neither kubelets nor we, so that deadlines
do not count that time. A failure now and then is no outage; that this process was stopped for as long is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable

OUTAGE = timedelta(seconds=15)
"""Failures alone for so long are one."""
PULSE_SECONDS = 1.0


class Reach:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._since: datetime | None = None
        self._failing_since: datetime | None = None
        self._alive_at: datetime | None = None

    def since(self) -> datetime | None:
        """The first answer there was, or the first one after an outage, of which the end is now at the earliest. None:
        there was no answer yet."""
        return self._now() if self._is_away() or self._was_stopped() else self._since

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

    def pulse(self) -> None:
        """Told each second that this process goes on: what it has seen before it was stopped may be long ago."""
        if self._was_stopped():
            self._failing_since = self._failing_since or self._alive_at
        self._alive_at = self._now()

    def _answered(self) -> None:
        if self._since is None or self._is_away():
            self._since = self._now()
        self._failing_since = None

    def _is_away(self) -> bool:
        return self._lasts_since(self._failing_since)

    def _was_stopped(self) -> bool:
        return self._lasts_since(self._alive_at)

    def _lasts_since(self, at: datetime | None) -> bool:
        return at is not None and self._now() - at >= OUTAGE
