"""Reads what is stored of a command's log: page after page, by keys, up to where the log ended when it was asked.

Keys, not offsets: lines that arrive meanwhile move no page. The end that was measured first is where following
goes on, so that the two meet without a gap and without a line twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from bugcommand_operator.cli.errors import CliError
from bugcommand_operator.cli.gateway import Row
from bugcommand_operator.cli.lines import COLUMNS, Line, Position, ProtocolError, Wanted, line_of

PAGE = 1000
MOST_ATTEMPTS = 10_000
_TABLE = "spawn_logs"


class Rows(Protocol):
    def rows(self, table: str, query: dict[str, str]) -> list[Row]: ...


@dataclass(frozen=True)
class Log:
    """One command's lines."""

    gateway: Rows
    command_id: str
    page: int = PAGE

    def ends(self) -> dict[int, int]:
        """The highest `seq` of each attempt, now."""
        found: dict[int, int] = {}
        below: dict[str, str] = {}
        for _ in range(MOST_ATTEMPTS):
            row = self._first({**below, "order": "attempt.desc,seq.desc"})
            if row is None:
                return dict(sorted(found.items()))
            if found and row.attempt >= min(found):
                raise ProtocolError("the gateway sent the same attempt again")
            found[row.attempt] = row.seq
            below = {"attempt": f"lt.{row.attempt}"}
        raise CliError(f"more than {MOST_ATTEMPTS} attempts: name one with --attempt")

    def lines(self, ends: dict[int, int], wanted: Wanted) -> Iterator[Line]:
        """All wanted lines up to `ends`, in order."""
        for attempt, end in ends.items():
            if wanted.attempt in (None, attempt):
                yield from filter(wanted.matches, self._attempt(attempt, end, wanted))

    def last(self, ends: dict[int, int], wanted: Wanted, count: int) -> list[Line]:
        """The last wanted lines, in order. Only as many pages are read as it takes to find them."""
        backwards = (
            line
            for attempt, end in reversed(ends.items())
            if wanted.attempt in (None, attempt)
            for line in self._attempt_backwards(attempt, end, wanted)
            if wanted.matches(line)
        )
        return list(islice(backwards, count))[::-1]

    def after(self, position: Position) -> Iterator[Line]:
        """What is stored beyond a position; it moves as lines are taken from here. An earlier attempt may have grown
        too: a later pod sends what it left."""
        for attempt, end in self.ends().items():
            while (seen := position.seen.get(attempt, 0)) < end:
                page = self._page({"attempt": f"eq.{attempt}", "seq": f"gt.{seen}"}, "seq.asc")
                yield from filter(position.take, page)
                if position.seen.get(attempt, 0) == seen:
                    raise ProtocolError("the gateway sent the same lines again")

    def _attempt(self, attempt: int, end: int, wanted: Wanted) -> Iterator[Line]:
        seen = 0
        while seen < end:
            page = self._page({"attempt": f"eq.{attempt}", "seq": f"gt.{seen}", **_filters(wanted)}, "seq.asc")
            if not page or page[0].seq <= seen:
                return
            yield from (line for line in page if line.seq <= end)
            seen = page[-1].seq

    def _attempt_backwards(self, attempt: int, end: int, wanted: Wanted) -> Iterator[Line]:
        below = end + 1
        while below > 1:
            page = self._page({"attempt": f"eq.{attempt}", "seq": f"lt.{below}", **_filters(wanted)}, "seq.desc")
            if not page or page[0].seq >= below:
                return
            yield from page
            below = page[-1].seq

    def _first(self, query: dict[str, str]) -> Line | None:
        rows = self._rows({**query, "limit": "1"})
        return rows[0] if rows else None

    def _page(self, query: dict[str, str], order: str) -> list[Line]:
        return self._rows({**query, "order": order, "limit": str(self.page)})

    def _rows(self, query: dict[str, str]) -> list[Line]:
        asked = {"select": COLUMNS, "command_id": f"eq.{self.command_id}", **query}
        return [line_of(row) for row in self.gateway.rows(_TABLE, asked)]


def _filters(wanted: Wanted) -> dict[str, str]:
    """What the gateway can leave out by itself."""
    stream = {"stream": f"eq.{wanted.stream}"} if wanted.stream else {}
    return {**stream, "ts": f"gte.{wanted.since.isoformat()}"} if wanted.since else stream
