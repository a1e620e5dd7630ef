"""Every line of an attempt passes here: made safe, numbered, dated, spooled, then printed and announced for sending.

Numbers run over both streams. Times never go back and never repeat within an attempt, whatever the clock does: they
come from the monotonic clock, anchored once, so ordering by time is ordering by number.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from .lines import MAX_MESSAGE_BYTES, Part, Redactor, sanitise
from .long_line import LongLine, fitting
from .spool import Spool, records

STDOUT, STDERR = "stdout", "stderr"
_SHOWN = {STDOUT: "", STDERR: "stderr: "}
TRY_AGAIN_AFTER = 5.0


class Clock:
    """Wall-clock times that only go forward, continuing after what an earlier process of this attempt wrote."""

    def __init__(
        self,
        last: str = "",
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()
        self._last = _microseconds(last)

    def ticks(self, count: int) -> list[str]:
        """One for each of so many lines that came together, a microsecond between them."""
        first = max(round((self._monotonic() + self._ahead) * 1e6), self._last + 1)
        beyond = first + count
        self._last = beyond - 1
        found: list[str] = []
        while first < beyond:
            second, micro = divmod(first, 1_000_000)
            shown = datetime.fromtimestamp(second, timezone.utc).isoformat()[:19]  # noqa: UP017 - 3.9 has no datetime.UTC
            first = min(beyond, first + 1_000_000 - micro)
            found += [f"{shown}.{at:06d}Z" for at in range(micro, first - second * 1_000_000)]
        return found


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
        self._unfinished: dict[str, LongLine] = {}

    def write(self, stream: str, text: str) -> None:
        """One line of the agent (or of the runner about it)."""
        self.write_block(stream, [text])

    def write_block(self, stream: str, lines: Sequence[str]) -> None:
        """Lines that came together are kept together: a system call for each would be most of their cost."""
        self._write(stream, self._safe(stream, lines))

    def finish(self) -> None:
        """No more comes: what was held back of lines that never ended is let go."""
        for stream in list(self._unfinished):
            self.write(stream, "")

    def _safe(self, stream: str, lines: Sequence[str]) -> list[str]:
        if stream in self._unfinished or any(isinstance(text, Part) for text in lines):
            return [part for text in lines for part in self._safe_part(stream, text)]
        together = "".join(lines)
        is_plain = together.isascii() and together.isprintable()  # as nearly always: then nobody looks line by line
        clean = self.redactor.lines(stream, lines if is_plain else [sanitise(text) for text in lines])
        if max(map(len, clean), default=0) * 4 <= MAX_MESSAGE_BYTES:
            return list(clean)
        return [part for text in clean for part in fitting(text)]

    def _safe_part(self, stream: str, text: str) -> list[str]:
        goes_on = isinstance(text, Part)
        if not goes_on and stream not in self._unfinished:
            return fitting(self.redactor.line(stream, sanitise(text)))
        parts = self._unfinished.setdefault(stream, LongLine(self.redactor)).feed(text, goes_on)
        if not goes_on:
            del self._unfinished[stream]
        return parts

    def _write(self, stream: str, parts: Sequence[str]) -> None:
        if not parts:
            return
        self._keep(stream, parts)
        self._print(stream, parts)
        if stream == STDERR:
            self.last_stderr = next((text.strip() for text in reversed(parts) if text.strip()), self.last_stderr)
        self.arrived.set()

    def _keep(self, stream: str, parts: Sequence[str]) -> None:
        with self._lock:
            if self._spool.undeliverable and self._spool.pending_bytes >= self._limit:
                self.lost += len(parts)  # nobody will take them, so they may not fill the volume either
                self._trouble = self._spool.undeliverable
                return
            last = self._spool.last_seq
            times = self._clock.ticks(len(parts))
            try:
                self._spool.append(records(last + 1, stream, times, parts), last + len(parts), times[-1])
                self.count += len(parts)
            except OSError as error:  # the volume is full: the container's log has them, the numbers are used again
                self.lost += len(parts)
                self._trouble, self._trouble_at = str(error), time.monotonic()

    def lost_message(self) -> str:
        return f"{self.lost} lines are only in the container's log: {self._trouble}"

    def note(self, text: str, problem: bool = False) -> None:
        """Something that the runner itself has to say."""
        self._write(STDERR if problem else STDOUT, fitting(self.redactor(sanitise(f"mentu: {text}"))))

    @property
    def full(self) -> bool:
        """Reading more has to wait: too much is not stored yet, or the volume took no line a moment ago."""
        broken = time.monotonic() - self._trouble_at < TRY_AGAIN_AFTER
        return broken or (not self._spool.undeliverable and self._spool.pending_bytes >= self._limit)

    @property
    def last_seq(self) -> int:
        return self._spool.last_seq

    @property
    def unshipped(self) -> int:
        return self._spool.pending_lines

    def _print(self, stream: str, parts: Sequence[str]) -> None:
        shown = "".join([_SHOWN[stream] + part + "\n" for part in parts])
        data = memoryview(shown.encode("utf-8", "replace"))
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            return  # nobody reads the container's log; the spool has the line


def _microseconds(text: str) -> int:
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)  # noqa: UP017 - 3.9 has no datetime.UTC
    except ValueError:
        return 0
    return int(at.timestamp()) * 1_000_000 + at.microsecond
