"""The file that holds an attempt's lines until they are stored: append first, send later, number from where it ended.

One JSON object a line, `<attempt>.jsonl`; `<attempt>.acked` holds the highest stored number. Only this process
writes them. A torn last line (the process was killed while writing) is cut off when the file is opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPACT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class SpooledLine:
    seq: int
    stream: str
    ts: str
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"seq": self.seq, "stream": self.stream, "ts": self.ts, "message": self.message}


class Spool:
    def __init__(self, folder: Path, attempt: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.attempt = attempt
        self._path = folder / f"{attempt}.jsonl"
        self._acked_path = folder / f"{attempt}.acked"
        self._lock = threading.Lock()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        self.acked = _read_number(self._acked_path)
        self.last_seq, self.last_ts = self.acked, ""
        self._size = self._recover()
        self._offset = 0  # where the first line that is not acknowledged begins, or before it

    def append(self, line: SpooledLine) -> None:
        data = (json.dumps(line.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "replace")
        with self._lock:
            os.lseek(self._fd, self._size, os.SEEK_SET)
            _write_all(self._fd, data)
            self._size += len(data)
            self.last_seq, self.last_ts = line.seq, line.ts

    @property
    def pending_bytes(self) -> int:
        return self._size - self._offset

    @property
    def pending_lines(self) -> int:
        return max(0, self.last_seq - self.acked)

    def batch(self, max_lines: int, max_bytes: int) -> list[SpooledLine]:
        """The next lines to send, oldest first; the same ones again until they are acknowledged."""
        found: list[SpooledLine] = []
        size = 0
        for line, length in self._lines():
            if len(found) >= max_lines or (found and size + length > max_bytes):
                break
            found.append(line)
            size += length
        return found

    def ack(self, seq: int) -> None:
        """Everything up to `seq` is stored. The file is emptied when nothing in it is needed and it has grown."""
        with self._lock:
            self.acked = max(self.acked, min(seq, self.last_seq))
            _write_number(self._acked_path, self.acked)
            if self.acked >= self.last_seq:
                self._offset = self._size
                if self._size > COMPACT_BYTES:
                    os.ftruncate(self._fd, 0)
                    self._size = self._offset = 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
        os.close(self._fd)

    def _lines(self) -> Iterator[tuple[SpooledLine, int]]:
        with self._lock:
            offset, size = self._offset, self._size
        for raw, start in _raw_lines(self._fd, offset, size):
            line = _parse(raw)
            if line is None or line.seq <= self.acked:
                with self._lock:
                    if self._offset == start:
                        self._offset = start + len(raw)
                continue
            yield line, len(raw)

    def _recover(self) -> int:
        """Find the last number and the end of the last whole line."""
        end, size = 0, os.fstat(self._fd).st_size
        for raw, start in _raw_lines(self._fd, 0, size):
            end = start + len(raw)
            line = _parse(raw)
            if line is not None and line.seq >= self.last_seq:
                self.last_seq, self.last_ts = line.seq, line.ts
        if end < size:
            os.ftruncate(self._fd, end)
        return end


def earlier_spools(folder: Path, attempt: int) -> list[Spool]:
    """What earlier attempts left behind and nobody has stored yet, oldest first."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.jsonl") if path.stem.isdigit())
    found: list[Spool] = []
    for number in numbers:
        if number < attempt:
            with contextlib.suppress(OSError):
                spool = Spool(folder, number)
                found.append(spool) if spool.pending_lines else spool.close()
    return found


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


def _parse(raw: bytes) -> SpooledLine | None:
    try:
        value = json.loads(raw)
        return SpooledLine(int(value["seq"]), str(value["stream"]), str(value["ts"]), str(value["message"]))
    except (ValueError, KeyError, TypeError):
        return None


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_number(path: Path) -> int:
    try:
        return max(0, int(path.read_text()))
    except (OSError, ValueError):
        return 0


def _write_number(path: Path, number: int) -> None:
    temporary = path.with_suffix(".acked-new")
    temporary.write_text(str(number))
    temporary.replace(path)
