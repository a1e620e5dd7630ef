"""Follow files that another process appends to: whole lines once, in order, from where they were left.

Nothing is assumed about them but that they grow; a file that shrank was replaced and is read from its start.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 18
LONGEST_LINE = 32 * 1024 * 1024


class Follow:
    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.modified = 0.0
        self._offset = offset
        self._rest = b""
        self._skipping = False

    @property
    def position(self) -> int:
        return self._offset

    def lines(self, most: int = PIECE * 4) -> Iterator[str]:
        """New whole lines; at most about `most` bytes a call, so that a flood cannot hold up the caller."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return
        try:
            yield from self._read(fd, most)
        finally:
            os.close(fd)

    def _read(self, fd: int, most: int) -> Iterator[str]:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            return
        self.modified = state.st_mtime
        if state.st_size < self._offset:
            self._offset, self._rest = 0, b""
        taken = 0
        while taken < most:
            piece = os.pread(fd, PIECE, self._offset)
            if not piece:
                return
            self._offset += len(piece)
            taken += len(piece)
            yield from self._split(piece)

    def _split(self, piece: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            if not self._skipping:
                yield line.decode("utf-8", "replace")
            self._skipping = False
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._skipping = b"", True


class SessionFiles:
    """Session files of the agent that appeared or grew since this run began, those of its subagents included."""

    def __init__(self, home: Path) -> None:
        self._root = home / ".claude" / "projects"
        self._known: dict[Path, Follow] = {path: Follow(path, _size(path)) for path in self._find()}

    def look(self) -> None:
        for path in self._find():
            if path not in self._known:
                self._known[path] = Follow(path)

    def lines(self) -> Iterator[tuple[str, str]]:
        """New lines, each with the mark of the subagent that it belongs to ('' for the main conversation)."""
        for path, follow in self._known.items():
            mark = "  · " if path.parent.name == "subagents" else ""
            for line in follow.lines():
                yield line, mark

    @property
    def position(self) -> int:
        """Changes with each byte that is read, whether it was worth a line or not."""
        return sum(follow.position for follow in self._known.values())

    @property
    def any_new(self) -> bool:
        return any(follow.modified for follow in self._known.values())

    def _find(self) -> list[Path]:
        return sorted([*self._root.glob("*/*.jsonl"), *self._root.glob("*/*/subagents/*.jsonl")])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
