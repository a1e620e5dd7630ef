"""What is known of a command while somebody follows it: how far each attempt has come, and its recent lines."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.line import Line, Page, advanced, first_bytes
from bugcommand_operator.gateway.live.order import Settling
from bugcommand_operator.gateway.live.ring import Ring, Run

CursorKey = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Read:
    """What a read of the store gave: `more` may be there now, `waiting` lines are behind a gap."""

    page: Page | None
    more: bool
    waiting: bool


@dataclass(eq=False)
class Attempt:
    head: int = 0  # the highest sequence that was announced
    run: Run = field(default_factory=Run)
    settling: Settling = field(default_factory=Settling)


@dataclass(eq=False)
class Watched:
    command_id: str
    wakes: dict[object, Callable[[], None]] = field(default_factory=dict)  # one for each that follows
    attempts: dict[int, Attempt] = field(default_factory=dict)
    version: int = 0  # of what is known; each announcement is another
    reads: dict[object, asyncio.Task[Read]] = field(default_factory=dict)
    told: dict[int, int] = field(default_factory=dict)  # by other gateways, not looked at yet
    _page: tuple[CursorKey, int, Page] | None = None

    def attempt(self, number: int) -> Attempt:
        return self.attempts.setdefault(number, Attempt())

    def announce(self, number: int, lines: list[Line], now: float, ring: Ring) -> None:
        """Lines that were just committed, in order."""
        attempt = self.attempt(number)
        ring.add(attempt.run, lines)
        self._advance(attempt, lines[-1].seq, now)
        self.changed()

    def tell(self, number: int, seq: int, now: float) -> None:
        """It has come so far, says another gateway or the store: news only if we are behind that."""
        attempt = self.attempt(number)
        if seq > attempt.head:
            self._advance(attempt, seq, now)
            self.changed()

    def changed(self) -> None:
        self.version += 1
        self._page = None
        for wake in tuple(self.wakes.values()):
            wake()

    def recent(self, cursor: Cursor) -> tuple[Page | None, bool]:
        """The page after the cursor, None when there is nothing new; and whether the store has to be read for it."""
        behind = [(n, a) for n, a in sorted(self.attempts.items()) if a.head > cursor.get(n, 0)]
        if any(not a.run.covers(cursor.get(n, 0)) or a.run.high < a.head for n, a in behind):
            return None, True
        return (self._recent_page(cursor, behind) if behind else None), False

    def _recent_page(self, cursor: Cursor, behind: list[tuple[int, Attempt]]) -> Page:
        key = tuple(sorted(cursor.items()))
        if self._page is not None and self._page[:2] == (key, self.version):
            return self._page[2]
        lines = (line for n, a in behind for line in a.run.after(cursor.get(n, 0)))
        page = page_of(first_bytes(lines), cursor)
        if len(self.wakes) > 1:
            self._page = (key, self.version, page)
        return page

    @staticmethod
    def _advance(attempt: Attempt, seq: int, now: float) -> None:
        attempt.head = max(attempt.head, seq)
        attempt.settling.note(seq, now)


def page_of(lines: Iterable[Line], cursor: Cursor) -> Page:
    some = tuple(lines)
    return Page(some, dict(cursor), advanced(cursor, some))
