"""A named pipe whose reader never sees an end while its writers come and go."""

from __future__ import annotations

import os
from pathlib import Path

from .lines import LineBuffer

PIECE = 1 << 18
MOST_READS = 1000


class Fifo:
    def __init__(self, path: Path, stream: str) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self.path, self.stream = path, stream
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffer = LineBuffer()

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
            return os.read(self.fd, PIECE)
        except BlockingIOError:
            return b""
