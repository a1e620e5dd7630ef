"""Lines of a log as the gateway sends them, and how far a reader has come. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from re import Pattern
from typing import Any

from bugcommand_operator.cli.errors import CliError

COLUMNS = "attempt,seq,stream,ts,message"


class ProtocolError(CliError):
    """The gateway answered something that this version does not understand."""


@dataclass(frozen=True, slots=True)
class Line:
    attempt: int
    seq: int
    stream: str
    ts: str
    message: str


@dataclass(slots=True)
class Position:
    """The highest `seq` seen of each attempt. It is what makes a line come once: the stream may be cut anywhere,
    and another one may begin a little earlier."""

    seen: dict[int, int] = field(default_factory=dict)

    def take(self, line: Line) -> bool:
        """Whether the line is new; it is seen from now on."""
        if line.seq <= self.seen.get(line.attempt, 0):
            return False
        self.seen[line.attempt] = line.seq
        return True

    def covers(self, wanted: Mapping[int, int]) -> bool:
        return all(self.seen.get(attempt, 0) >= seq for attempt, seq in wanted.items())

    def cursor(self) -> str:
        """As `Last-Event-ID`: `1:120,2:50`."""
        return ",".join(f"{attempt}:{seq}" for attempt, seq in sorted(self.seen.items()))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines to show."""

    attempt: int | None = None
    stream: str | None = None
    since: datetime | None = None
    grep: Pattern[str] | None = None

    def matches(self, line: Line) -> bool:
        return (
            (self.attempt is None or line.attempt == self.attempt)
            and (self.stream is None or line.stream == self.stream)
            and (self.grep is None or self.grep.search(line.message) is not None)
            and (self.since is None or _moment(line.ts) >= self.since)
        )


def line_of(row: Any) -> Line:
    try:
        attempt, seq = row["attempt"], row["seq"]
        line = Line(attempt, seq, str(row["stream"]), str(row["ts"]), str(row["message"]))
    except (KeyError, TypeError) as error:
        raise ProtocolError(f"the gateway sent a line without {error}", _OTHER_VERSION) from error
    if type(attempt) is not int or type(seq) is not int or attempt < 1 or seq < 1:
        raise ProtocolError("the gateway sent a line without its place in the log", _OTHER_VERSION)
    return line


def lines_of(value: Any) -> Iterator[Line]:
    """A row, or a list of them."""
    for row in value if isinstance(value, list) else [value]:
        yield line_of(row)


def _moment(ts: str) -> datetime:
    try:
        return datetime.fromisoformat(ts)
    except ValueError as error:
        raise ProtocolError("the gateway sent a line without a time", _OTHER_VERSION) from error


_OTHER_VERSION = "Is the gateway of another version, or is --gateway the address of something else?"
