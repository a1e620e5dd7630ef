"""Server-sent events out of bytes that arrive in any pieces. Pure: the last event counts only when it is whole."""

from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_EVENT = 64 << 20


class TooLong(Exception):
    """An event that does not end."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    kind: str
    data: str
    id: str = ""


@dataclass
class Parser:
    """`feed` what arrived; it gives the events that are complete with it."""

    _rest: bytearray = field(default_factory=bytearray)
    _kind: str = ""
    _id: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0
    _first: bool = True

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        self._rest += piece
        for line in self._lines():
            event = self._read(line)
            if event is not None:
                yield event
        if len(self._rest) + self._size > MAX_EVENT:
            raise TooLong(f"an event of more than {MAX_EVENT} bytes")

    def _lines(self) -> Iterator[str]:
        """Whole lines, ended by LF, CR LF or CR; a CR at the end may be half of a CR LF and waits."""
        start, rest = 0, bytes(self._rest)
        while (end := _line_end(rest, start)) is not None:
            yield rest[start : end[0]].decode("utf-8", "replace")
            start = end[1]
        self._rest = bytearray(rest[start:])

    def _read(self, line: str) -> ServerEvent | None:
        if self._first:
            self._first, line = False, line.removeprefix("\ufeff")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = ServerEvent(self._kind or "message", "\n".join(self._data), self._id) if self._data else None
        self._kind, self._data, self._size = "", [], 0
        return event


def _line_end(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the line that begins at `start` ends, and where the next one begins."""
    feed, ret = data.find(b"\n", start), data.find(b"\r", start)
    if ret == -1 or (feed != -1 and feed < ret):
        return (feed, feed + 1) if feed != -1 else None
    if ret + 1 == len(data):
        return None
    return ret, ret + (2 if data[ret + 1 : ret + 2] == b"\n" else 1)
