"""The file that holds an attempt's lines until they are stored: append first, send later, number from where it ended.

One JSON object a line, `<attempt>.jsonl`; `<attempt>.acked` holds the highest stored number. Only this process
writes them. A torn last line (the process was killed while writing) is cut off when the file is opened. What is
acknowledged is known in memory first: the number on the volume only spares sending again what is stored already.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path

COMPACT_BYTES = 8 * 1024 * 1024
LONGEST_RECORD = 1024 * 1024
"""No line that was written here is longer: the agent can write to the volume too, and may not fill our memory."""
LARGEST = 4 * 1024 * 1024 * 1024
"""Nor is a spool: a file without an end would be read for ever."""

# Whether the message is JSON the intake says: this has to be quick, each line passes here.
_RECORD = re.compile(
    rb'^\{"seq": ([1-9][0-9]{0,17}), "stream": "[a-z]+", "ts": "([0-9TZ:.-]+)", "message": "[^\n]*"\}\n', re.MULTILINE
)


@dataclass(frozen=True)
class Batch:
    """`raw`: lines as they stand in the spool, and as they are sent; the highest number, and how many there are."""

    raw: bytes
    last: int
    count: int


def records(first_seq: int, stream: str, times: Sequence[str], messages: Sequence[str]) -> str:
    """Lines as they stand in the spool. By hand, for only the message can hold what JSON has to escape."""
    rest = f', "stream": "{stream}", "ts": "'
    numbered = enumerate(zip(times, messages), first_seq)  # noqa: B905 - 3.9 has no `strict`
    lines = [f'{{"seq": {seq}{rest}{ts}", "message": {encode_basestring(text)}}}\n' for seq, (ts, text) in numbered]
    return "".join(lines)


class Spool:
    def __init__(self, folder: Path, attempt: int, *, read_only: bool = False) -> None:
        self.attempt = attempt
        self._path = folder / f"{attempt}.jsonl"
        self._acked_path = folder / f"{attempt}.acked"
        self._lock = threading.Lock()
        self._read_only = read_only
        self._fd = _open(self._path, read_only)
        self.undeliverable = ""  # why nobody will ever take these lines
        self.acked = _read_number(self._acked_path)
        self.last_seq, self.last_ts = self.acked, ""
        self._size = self._recover()
        self._offset = 0  # where the first line that is not acknowledged begins, or before it
        self._read: list[tuple[int, int]] = []  # of each batch that is under way: its last line, and where it ends

    def append(self, lines: str, last_seq: int, last_ts: str) -> None:
        """`records`, in one write. Raises OSError when not all of them fitted: then none is there."""
        data = lines.encode("utf-8", "replace")
        with self._lock:
            os.lseek(self._fd, self._size, os.SEEK_SET)
            try:
                _write_all(self._fd, data)
            except OSError:
                os.ftruncate(self._fd, self._size)  # their numbers will be used again
                raise
            self._size += len(data)
            self.last_seq, self.last_ts = last_seq, last_ts

    @property
    def pending_bytes(self) -> int:
        return self._size - self._offset

    @property
    def unread_bytes(self) -> int:
        """What comes after the last batch."""
        return self._size - (self._read[-1][1] if self._read else self._offset)

    @property
    def pending_lines(self) -> int:
        return max(0, self.last_seq - self.acked)

    def batch(self, max_lines: int, max_bytes: int) -> Batch | None:
        """The next lines to send, oldest first; the same ones again until they are acknowledged."""
        self._read = []
        with self._lock:
            offset, size = self._offset, self._size
        while piece := _first(max_lines, _lines_at(self._fd, offset, size, max_bytes)):
            end = offset + len(piece)
            if found := _needed(piece, self.acked):
                self._read = [(found.last, end)]
                return found
            self._pass_over(offset, end)
            offset = end
        return None

    def batch_after_that(self, max_lines: int, max_bytes: int) -> Batch | None:
        """What comes after the last batch, which is not acknowledged yet; nothing unless all of it are records."""
        if not self._read:
            return None
        last, offset = self._read[-1]
        piece = _first(max_lines, _lines_at(self._fd, offset, self._size, max_bytes))
        found = _needed(piece, last)
        if found is None or len(found.raw) != len(piece):
            return None
        self._read.append((found.last, offset + len(piece)))
        return found

    def _pass_over(self, start: int, end: int) -> None:
        """What nobody needs any more, as long as nothing before it is needed."""
        with self._lock:
            if self._offset == start:
                self._offset = end

    def ack(self, seq: int) -> None:
        """Everything up to `seq` is stored. The file is emptied when nothing in it is needed and it has grown."""
        with self._lock:
            self.acked = max(self.acked, min(seq, self.last_seq))
            self._offset = max([self._offset, *(end for last, end in self._read if last <= self.acked)])
            self._read = [(last, end) for last, end in self._read if last > self.acked]
            if self.acked >= self.last_seq:
                self._offset = self._size
            if not self._read_only:
                self._note_acked()

    def _note_acked(self) -> None:
        with contextlib.suppress(OSError):  # a full volume, or one without inodes: these lines may be sent again
            _write_number(self._acked_path, self.acked)
            if self.acked >= self.last_seq and self._size > COMPACT_BYTES:
                os.ftruncate(self._fd, 0)
                self._size = self._offset = 0
                self._read = []

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _recover(self) -> int:
        """Find the last number and the end of the last whole line."""
        end, size = 0, os.fstat(self._fd).st_size
        if size > LARGEST:
            os.close(self._fd)
            raise OSError(f"{self._path} is larger than any that was written here")
        while piece := _lines_at(self._fd, end, size):
            end += len(piece)
            for seq, ts in _RECORD.findall(piece):
                if int(seq) >= self.last_seq:
                    self.last_seq, self.last_ts = int(seq), ts.decode()
        if end < size and not self._read_only:
            os.ftruncate(self._fd, end)
        return end


def earlier_spools(folder: Path, attempt: int, *, read_only: bool = False) -> list[Spool]:
    """What earlier attempts left behind and nobody has stored yet, oldest first."""
    numbers = sorted({int(path.stem) for path in folder.glob("*.jsonl") if _is_number(path.stem)})
    found: list[Spool] = []
    for number in numbers:
        if 0 < number < attempt:
            with contextlib.suppress(OSError):
                spool = Spool(folder, number, read_only=read_only)
                found.append(spool) if spool.pending_lines else spool.close()
    return found


def _is_number(text: str) -> bool:
    """As we write it: other characters count as digits too, and an agent may name files as it likes."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def _open(path: Path, read_only: bool) -> int:
    """A regular file of this name, nothing that an agent may have put in its place."""
    if read_only:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(f"{path} is not a regular file")


def _lines_at(fd: int, offset: int, size: int, max_bytes: int = 1 << 18) -> bytes:
    """Whole lines from there on, one at least, read by position: writers are not disturbed. Nothing where no whole line
    is left. What has no end for longer than any line of ours comes in pieces, none of which is one."""
    data = os.pread(fd, max(0, min(max_bytes, size - offset)), offset)
    end = data.rfind(b"\n") + 1
    if not end:
        data = os.pread(fd, max(0, min(LONGEST_RECORD, size - offset)), offset)
        end = data.find(b"\n") + 1 or (len(data) if len(data) == LONGEST_RECORD else 0)
    return data[:end]


def _first(count: int, lines: bytes) -> bytes:
    rest = lines.split(b"\n", count)[count:]
    return lines[: -len(rest[0])] if rest and rest[0] else lines


def _needed(lines: bytes, acked: int) -> Batch | None:
    """Of whole lines those that are records and not stored yet: all of them, as is usual."""
    read = _RECORD.findall(lines)
    if read and len(read) == lines.count(b"\n") and int(read[0][0]) > acked:
        return Batch(lines, int(read[-1][0]), len(read))
    found = [each for each in _RECORD.finditer(lines) if int(each[1]) > acked]
    return Batch(b"".join([each[0] for each in found]), int(found[-1][1]), len(found)) if found else None


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_number(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return max(0, int(file.read(32)))
    except (OSError, ValueError):
        return 0


def _write_number(path: Path, number: int) -> None:
    temporary = path.with_suffix(".acked-new")
    temporary.write_text(str(number))
    temporary.replace(path)
