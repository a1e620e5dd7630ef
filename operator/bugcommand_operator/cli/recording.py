"""Recordings as the gateway keeps them: parts of text that make an asciicast v2 file, read part after part."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.cli.errors import CliError, NotFound
from bugcommand_operator.cli.gateway import Row
from bugcommand_operator.cli.lines import ProtocolError

_TABLE = "spawn_recordings"
_PAGE = 4  # a part may be large
MAX_LINE = 16 << 20
_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


class Rows(Protocol):
    def rows(self, table: str, query: dict[str, str]) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Header:
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Output:
    """Text that the program wrote at a time, in seconds since the beginning."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Resize:
    at: float
    width: int
    height: int


Event = Output | Resize


@dataclass(frozen=True)
class Recordings:
    gateway: Rows
    command_id: str

    def latest(self) -> int:
        """The last attempt that has a recording."""
        rows = self._rows({"select": "attempt", "order": "attempt.desc", "limit": "1"})
        if not rows:
            raise NotFound("no recording is kept of this command", _NO_RECORDING)
        return _number(rows[0], "attempt")

    def parts(self, attempt: int) -> Iterator[str]:
        """The text of the .cast file, piece by piece."""
        last: int | None = None
        while True:  # ends with the parts, whose numbers only grow
            beyond = {"part": f"gt.{last}"} if last is not None else {}
            query = {"select": "part,data", "attempt": f"eq.{attempt}", **beyond}
            rows = self._rows({**query, "order": "part.asc", "limit": str(_PAGE)})
            if not rows:
                break
            for row in rows:
                number = _number(row, "part")
                if last is not None and number <= last:
                    raise ProtocolError("the gateway sent the same part of the recording again")
                last = number
                yield str(row.get("data") or "")
        if last is None:
            raise NotFound(f"no recording is kept of attempt {attempt}", _NO_RECORDING)

    def _rows(self, query: dict[str, str]) -> list[Row]:
        return self.gateway.rows(_TABLE, {"command_id": f"eq.{self.command_id}", **query})


_NO_RECORDING = "Terminal sessions are recorded, headless ones are not; see `kubectl bug logs`."


def read_cast(parts: Iterable[str]) -> tuple[Header, Iterator[Event]]:
    """The header, and the events as they are read. A last line that was cut off is left out."""
    lines = whole_lines(parts)
    first = next(lines, "")
    try:
        head = json.loads(first)
        header = Header(int(head["width"]), int(head["height"]))
        version = head["version"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CliError("the recording has no asciicast header", "Save it with -o cast to look at it.") from error
    if version != 2:
        raise CliError(f"the recording is asciicast version {version!r}, which this version cannot play")
    return header, _events(lines)


def whole_lines(parts: Iterable[str]) -> Iterator[str]:
    rest: list[str] = []
    size = 0
    for part in parts:
        *whole, last = part.split("\n")
        for line in whole:
            yield "".join([*rest, line])
            rest, size = [], 0
        rest.append(last)
        size += len(last)
        if size > MAX_LINE:
            raise CliError("the recording holds a line that does not end")
    if any(rest):
        yield "".join(rest)


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """What can be shown; input, markers and what is no event are left out. Time never goes back."""
    now = 0.0
    for line in lines:
        event = _event(line, now)
        if event is not None:
            now = event.at
            yield event


def _event(line: str, now: float) -> Event | None:
    try:
        at, kind, data = json.loads(line)
        at = float(at)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if not isinstance(data, str) or not math.isfinite(at):
        return None
    size = _SIZE.fullmatch(data) if kind == "r" else None
    if size:
        return Resize(max(now, at), int(size[1]), int(size[2]))
    return Output(max(now, at), data) if kind == "o" else None


def _number(row: dict[str, Any], name: str) -> int:
    value = row.get(name)
    if type(value) is not int:
        raise ProtocolError(f"the gateway sent a recording without {name}")
    return value
