"""The recent lines of watched attempts, bounded in bytes over all of them. Pure: no I/O and no clock.

An attempt's `Run` has every committed line of the interval (low, high], or it would not be one: what does not
continue it starts it anew. So a reader whose cursor lies in the interval can be answered from it alone.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bugcommand_operator.gateway.live.line import Line


@dataclass(eq=False, slots=True)
class _Segment:
    number: int
    lines: Sequence[Line]
    size: int


@dataclass(eq=False, slots=True)
class Run:
    low: int = 0
    high: int = 0
    segments: deque[_Segment] = field(default_factory=deque)

    def covers(self, seq: int) -> bool:
        """Whether all that comes after this line, up to `high`, is here."""
        return self.low <= seq <= self.high

    def after(self, seq: int) -> Iterator[Line]:
        wanted: list[_Segment] = []
        for segment in reversed(self.segments):  # most readers are near the end
            if segment.lines[-1].seq <= seq:
                break
            wanted.append(segment)
        for segment in reversed(wanted):
            skipped = max(0, seq + 1 - segment.lines[0].seq)
            yield from segment.lines[skipped:] if skipped else segment.lines


class Ring:
    """The bound that all runs share: what came first makes room first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers = 0
        self._oldest_first: OrderedDict[int, tuple[Run, _Segment]] = OrderedDict()
        self.size = 0

    def add(self, run: Run, lines: Sequence[Line]) -> None:
        """Lines of one attempt that were just committed, in order."""
        start = 0
        for end in range(1, len(lines) + 1):
            if end == len(lines) or lines[end].seq != lines[end - 1].seq + 1:
                self._add_part(run, lines[start:end])
                start = end

    def drop(self, run: Run) -> None:
        for segment in run.segments:
            self._oldest_first.pop(segment.number)
            self.size -= segment.size
        run.segments.clear()
        run.low = run.high

    def _add_part(self, run: Run, part: Sequence[Line]) -> None:
        first, last = part[0].seq, part[-1].seq
        if last <= run.high:
            return  # fills a gap below the interval: whoever waits for it reads the store
        if first != run.high + 1:
            self.drop(run)
            run.low = max(first - 1, run.high)
            part = [line for line in part if line.seq > run.low]
        self._numbers += 1
        segment = _Segment(self._numbers, part, sum(line.size for line in part))
        run.segments.append(segment)
        run.high = last
        self._oldest_first[segment.number] = (run, segment)
        self.size += segment.size
        self._make_room()

    def _make_room(self) -> None:
        while self.size > self._limit:
            _, (run, segment) = self._oldest_first.popitem(last=False)
            run.segments.popleft()
            run.low = segment.lines[-1].seq
            self.size -= segment.size
