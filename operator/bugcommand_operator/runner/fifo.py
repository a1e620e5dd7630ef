"""A named pipe whose reader never sees an end while its writers come and go."""

from __future__ import annotations

import os
import select
import time
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

    def settle(self, quiet: float, most: float) -> list[str]:
        """What still comes from writers that are finishing: until nothing came for a while."""
        found: list[str] = []
        deadline = time.monotonic() + most
        while time.monotonic() < deadline and select.select([self.fd], [], [], quiet)[0]:
            found += self.read()
        return found

    def close(self) -> list[str]:
        found = self.settle(0.0, 1.0) + self._buffer.flush()
        os.close(self.fd)
        return found
