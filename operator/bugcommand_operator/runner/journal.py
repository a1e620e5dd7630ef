"""Every line of an attempt passes here: made safe, numbered, dated, spooled, then printed and announced for sending.

Numbers run over both streams. Times never go back and never repeat within an attempt, whatever the clock does: they
come from the monotonic clock, anchored once, so ordering by time is ordering by number.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from .lines import Redactor, sanitise, split_message
from .spool import Spool, SpooledLine

STDOUT, STDERR = "stdout", "stderr"
_SHOWN = {STDOUT: "", STDERR: "stderr: "}
TRY_AGAIN_AFTER = 5.0
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Wall-clock times that only go forward, continuing after what an earlier process of this attempt wrote."""

    def __init__(
        self,
        last: str = "",
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._started = monotonic()
        self._anchor = datetime.fromtimestamp(wall(), timezone.utc)  # noqa: UP017 - 3.9 has no datetime.UTC
        self._last = _parse(last)

    def tick(self) -> str:
        now = self._anchor + timedelta(seconds=self._monotonic() - self._started)
        if self._last is not None and now <= self._last:
            now = self._last + _MICROSECOND
        self._last = now
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Journal:
    def __init__(self, spool: Spool, redactor: Redactor, limit: int, out: int = 1) -> None:
        self._spool = spool
        self.redactor = redactor
        self._limit = limit
        self._out = out
        self._clock = Clock(spool.last_ts)
        self._lock = threading.Lock()
        self.arrived = threading.Event()
        self.count = 0
        self.lost = 0
        self._trouble, self._trouble_at = "", float("-inf")
        self.last_stderr = ""

    def write(self, stream: str, text: str) -> None:
        """One line of the agent (or of the runner about it)."""
        safe = self.redactor(sanitise(text))
        for part in split_message(safe):
            self._keep(stream, part)
            self._print(stream, part)
        if stream == STDERR and safe.strip():
            self.last_stderr = safe.strip()
        self.arrived.set()

    def _keep(self, stream: str, part: str) -> None:
        with self._lock:
            try:
                self._spool.append(SpooledLine(self._spool.last_seq + 1, stream, self._clock.tick(), part))
                self.count += 1
            except OSError as error:  # the volume is full: the container's log has the line, the number is used again
                self.lost += 1
                self._trouble, self._trouble_at = str(error), time.monotonic()

    def lost_message(self) -> str:
        return f"{self.lost} lines are only in the container's log: {self._trouble}"

    def write_block(self, stream: str, lines: list[str]) -> None:
        for line in lines:
            self.write(stream, line)

    def note(self, text: str, problem: bool = False) -> None:
        """Something that the runner itself has to say."""
        self.write(STDERR if problem else STDOUT, f"mentu: {text}")

    @property
    def full(self) -> bool:
        """Reading more has to wait: too much is not stored yet, or the volume took no line a moment ago."""
        broken = time.monotonic() - self._trouble_at < TRY_AGAIN_AFTER
        return broken or self._spool.pending_bytes >= self._limit

    @property
    def last_seq(self) -> int:
        return self._spool.last_seq

    @property
    def unshipped(self) -> int:
        return self._spool.pending_lines

    def _print(self, stream: str, part: str) -> None:
        data = memoryview((_SHOWN[stream] + part + "\n").encode("utf-8", "replace"))
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            return  # nobody reads the container's log; the spool has the line


def _parse(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)  # noqa: UP017 - 3.9 has no datetime.UTC
    except ValueError:
        return None
