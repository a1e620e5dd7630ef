"""A named pipe whose reader never sees an end while its writers come and go."""

from __future__ import annotations

import os
from pathlib import Path

from .lines import LineBuffer

PIECE = 1 << 18


class Fifo:
    def __init__(self, path: Path, stream: str) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self.path, self.stream = path, stream
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffer = LineBuffer()

    def read(self) -> list[str]:
        try:
            return self._buffer.feed(os.read(self.fd, PIECE))
        except BlockingIOError:
            return []

    def close(self) -> list[str]:
        found: list[str] = []
        for _ in range(64):
            more = self.read()
            found += more
            if not more:
                break
        os.close(self.fd)
        return found + self._buffer.flush()
