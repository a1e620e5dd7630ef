"""Order within an attempt when commits are not in order. Pure: the time is given.

A line behind a gap waits for the gap to be filled, but not for ever: what has been known for the time of patience
is settled, and gaps before it are passed over (a sender may have left numbers out).
"""

from collections import deque
from collections.abc import Callable, Iterable

from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.line import Line

PATIENCE_SECONDS = 5.0
_MARKS = 16


class Settling:
    """When which sequence of an attempt was first heard of."""

    __slots__ = ("_marks", "_newest", "_settled")

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self._newest = self._settled = 0

    def note(self, seq: int, now: float) -> None:
        if seq <= self._newest:
            return
        self._newest = seq
        if self._marks and now - self._marks[-1][0] < PATIENCE_SECONDS / _MARKS:
            now = self._marks.pop()[0]  # a little early, and few to keep
        self._marks.append((now, seq))

    def settled(self, now: float) -> int:
        while self._marks and now - self._marks[0][0] >= PATIENCE_SECONDS:
            self._settled = self._marks.popleft()[1]
        return self._settled


def in_order(lines: Iterable[Line], cursor: Cursor, settled: Callable[[int], int]) -> tuple[list[Line], bool]:
    """Of lines sorted by attempt and sequence, those that can be shown now; and whether some have to wait."""
    at, waiting, shown = dict(cursor), set[int](), list[Line]()
    for line in lines:
        attempt, seq = line.attempt, line.seq
        last = at.get(attempt, 0)
        if attempt in waiting or seq <= last:
            continue
        if seq > last + 1 and seq > settled(attempt):
            waiting.add(attempt)
        else:
            at[attempt] = seq
            shown.append(line)
    return shown, bool(waiting)
