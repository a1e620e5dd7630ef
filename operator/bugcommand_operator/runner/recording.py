"""The parts of recordings that are not stored yet: a file each on the volume, sent in order, gone once stored. One that
has begun is `<number>.open`, a part like the others once its runner is gone.

The agent may have put anything there: nothing but regular files with a part's name is read, each as text that the
agent could have shown as well.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from .queues import Envelope, Parcel, Queue, encoded

RECORDINGS = "/intake/v1/recordings"
FOLDER = "recording"
LARGEST = 512 * 1024
_OPEN = ".open"
_MOST_PARTS = 100_000
_PATIENCE = 8


class RecordingQueue(Queue):
    """The parts of one attempt."""

    def __init__(self, state: Path, attempt: int, envelope: Envelope, *, read_only: bool = False) -> None:
        super().__init__()
        self._folder = state / FOLDER / str(attempt)
        self._attempt, self._envelope, self._read_only = attempt, envelope, read_only
        self._waiting = _numbers(self._folder)
        self._last = self._waiting[-1] if self._waiting else 0
        self._undeliverable = False
        self.trouble = ""

    def begin(self, piece: bytes) -> None:
        """So much more of the part that is to be kept next."""
        with contextlib.suppress(OSError):  # `keep` will say so
            self._folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(self._folder / f"{self._last + 1}{_OPEN}", flags, 0o640)
            with os.fdopen(fd, "wb", buffering=0) as file:
                file.write(piece)

    def keep(self, data: bytes) -> bool:
        """One more part, finished. False if the volume did not take it."""
        name = str(self._last + 1)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._folder / f"{name}.new"
            temporary.write_bytes(data)
            temporary.replace(self._folder / name)
        except OSError as error:
            self.trouble = str(error)
            return False
        self._last += 1
        self._waiting.append(self._last)
        with contextlib.suppress(OSError):
            (self._folder / f"{name}{_OPEN}").unlink()
        return True

    @property
    def is_waited_for(self) -> bool:
        """Not for as long as lines: a gateway may have no place for recordings."""
        return self.failures < _PATIENCE

    @property
    def pending(self) -> int:
        return 0 if self._undeliverable else len(self._waiting)

    def take(self) -> Parcel | None:
        number = self._waiting[0]
        data = _read(self._folder / str(number))
        if data is None and (begun := _read(self._folder / f"{number}{_OPEN}")):
            data = begun[: begun.rfind("\n") + 1]
        if data is None:
            self._drop(number)
            return None
        whose = {"commandId": self._envelope.command_id, "attempt": self._attempt, "part": number}
        return Parcel(RECORDINGS, encoded({**whose, "data": data}), number)

    def stored(self, parcel: Parcel) -> None:
        self._drop(parcel.last)

    def refused(self, parcel: Parcel, why: str) -> str:
        self._drop(parcel.last)
        return f"the log intake refused part {parcel.last} of the recording: {why}"

    def give_up(self, why: str) -> None:
        self._undeliverable, self.trouble = True, why

    def _drop(self, number: int) -> None:
        self._waiting.remove(number)
        if not self._read_only:
            for name in (str(number), f"{number}{_OPEN}"):
                with contextlib.suppress(OSError):
                    (self._folder / name).unlink()


def earlier_recordings(
    state: Path, attempt: int, envelope: Envelope, *, read_only: bool = False
) -> list[RecordingQueue]:
    """Those of attempts before this one that have parts left."""
    folder = state / FOLDER
    if folder.resolve() != folder:
        return []
    attempts = [number for number in _numbers(folder) if number < attempt]
    queues = [RecordingQueue(state, number, envelope, read_only=read_only) for number in attempts]
    return [queue for queue in queues if queue.pending]


def _numbers(folder: Path) -> list[int]:
    try:
        entries: Iterable[Path] = folder.iterdir() if not folder.is_symlink() else ()
        names = [entry.stem if entry.suffix == _OPEN else entry.name for entry in entries]
    except OSError:
        return []
    numbers = [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 7]
    return sorted({number for number in numbers if 0 < number < _MOST_PARTS})


def _read(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            state = os.fstat(fd)
            is_part = stat.S_ISREG(state.st_mode) and state.st_size <= LARGEST
            return file.read(LARGEST).decode("utf-8", "replace") if is_part else None
    except OSError:
        return None
