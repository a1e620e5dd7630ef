"""A named pipe whose reader never sees an end while its writers come and go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .lines import LineBuffer

PIECE = 1 << 18
MOST_READS = 1000
_MOST_AT_ONCE = 16


class Fifo:
    def __init__(self, path: Path, stream: str, tap: Callable[[bytes], object] = lambda _data: None) -> None:
        """`tap` gets all that is read, as it is."""
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self.path, self.stream = path, stream
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffer = LineBuffer()
        self._tap = tap

    def read(self) -> list[str]:
        return self._buffer.feed(self._raw())

    def close(self) -> list[str]:
        """What is left in it, all of it."""
        found: list[str] = []
        for _ in range(MOST_READS):
            data = self._raw()
            if not data:
                break
            found += self._buffer.feed(data)
        os.close(self.fd)
        return found + self._buffer.flush()

    def _raw(self) -> bytes:
        try:
            data = os.read(self.fd, PIECE)
        except BlockingIOError:
            return b""
        self._tap(data)
        return data


class Drain(Fifo):
    """One that is only listened to: there are no lines in it."""

    def read(self) -> list[str]:
        for _ in range(_MOST_AT_ONCE):
            if not self._raw():
                break
        return []

    def close(self) -> list[str]:
        for _ in range(MOST_READS):
            if not self._raw():
                break
        os.close(self.fd)
        return []
