"""The file that holds an attempt's lines until they are stored: append first, send later, number from where it ended.

One JSON object a line, `<attempt>.jsonl`; `<attempt>.acked` holds the highest stored number. Only this process
writes them. A torn last line (the process was killed while writing) is cut off when the file is opened. What is
acknowledged is known in memory first: the number on the volume only spares sending again what is stored already.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple

COMPACT_BYTES = 8 * 1024 * 1024
LONGEST_RECORD = 1024 * 1024
"""No line that was written here is longer: the agent can write to the volume too, and may not fill our memory."""


# Whether the rest is JSON the intake says: this has to be quick, each line passes here.
_RECORD = re.compile(rb'\{"seq": ([1-9][0-9]{0,17}), "stream": "[a-z]+", "ts": "([0-9TZ:.-]+)", "message": "')
_END = b'"}\n'


class SpooledLine(NamedTuple):
    """`raw`: as it stands in the spool, and as it is sent."""

    seq: int
    raw: bytes

    @property
    def content(self) -> dict[str, Any]:
        """`seq`, `stream`, `ts`, `message`. Raises ValueError where somebody else has written it."""
        content: dict[str, Any] = json.loads(self.raw)
        return content


def record(seq: int, stream: str, ts: str, message: str) -> str:
    """A line as it stands in the spool. By hand, for only the message can hold what JSON has to escape."""
    return f'{{"seq": {seq}, "stream": "{stream}", "ts": "{ts}", "message": {encode_basestring(message)}}}\n'


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
        self._read_up_to = (0, 0)  # the last line of the last batch, and where it ends

    def append(self, records: Sequence[str], last_seq: int, last_ts: str) -> None:
        """All in one write. Raises OSError when not all of them fitted: then none is there."""
        data = "".join(records).encode("utf-8", "replace")
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
    def pending_lines(self) -> int:
        return max(0, self.last_seq - self.acked)

    def batch(self, max_lines: int, max_bytes: int) -> list[SpooledLine]:
        """The next lines to send, oldest first; the same ones again until they are acknowledged."""
        with self._lock:
            offset, size = self._offset, self._size
        found: list[SpooledLine] = []
        room = max_bytes
        for raw, start in _raw_lines(self._fd, offset, size):
            read = _RECORD.match(raw)
            if read is None or not raw.endswith(_END) or (seq := int(read[1])) <= self.acked:
                self._pass_over(raw, start)
                continue
            if len(found) >= max_lines or (found and len(raw) > room):
                break
            found.append(SpooledLine(seq, raw))
            room -= len(raw)
            self._read_up_to = (seq, start + len(raw))
        return found

    def _pass_over(self, raw: bytes, start: int) -> None:
        """What nobody needs any more, as long as nothing before it is needed."""
        with self._lock:
            if self._offset == start:
                self._offset = start + len(raw)

    def ack(self, seq: int) -> None:
        """Everything up to `seq` is stored. The file is emptied when nothing in it is needed and it has grown."""
        with self._lock:
            self.acked = max(self.acked, min(seq, self.last_seq))
            last, end = self._read_up_to
            if self.acked == last:
                self._offset = max(self._offset, end)
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
                self._read_up_to = (0, 0)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _recover(self) -> int:
        """Find the last number and the end of the last whole line."""
        end, size = 0, os.fstat(self._fd).st_size
        for raw, start in _raw_lines(self._fd, 0, size):
            end = start + len(raw)
            found = _RECORD.match(raw)
            if found is not None and raw.endswith(_END) and int(found[1]) >= self.last_seq:
                self.last_seq, self.last_ts = int(found[1]), found[2].decode()
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


def _raw_lines(fd: int, offset: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines (with their end) between two offsets, read in pieces by position: writers are not disturbed."""
    rest, start = b"", offset
    while offset < size:
        piece = os.pread(fd, min(1 << 18, size - offset), offset)
        if not piece:
            return
        offset += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        for raw in whole:
            yield raw + b"\n", start
            start += len(raw) + 1
        if len(rest) > LONGEST_RECORD:  # no line of ours: let it go in pieces, none of which is one
            yield rest, start
            start, rest = start + len(rest), b""


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
