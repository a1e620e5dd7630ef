"""A line on its way to readers, and a page of lines. What is sent to many is turned into text once."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.store.lines import LogBatch, LogRow

PAGE_BYTES = 128 << 10
_BREAKS = {ord(each): f"\\u{ord(each):04x}" for each in "\u0085\u2028\u2029"}
_OVERHEAD = 700  # of the objects that hold a line, in bytes

COLUMNS: tuple[tuple[str, str], ...] = (
    ("command_id", "text"),
    ("attempt", "int4"),
    ("seq", "int8"),
    ("stream", "text"),
    ("ts", "timestamptz"),
    ("message", "text"),
    ("epoch", "int8"),
    ("machine_id", "text"),
    ("namespace", "text"),
)


@dataclass(eq=False, slots=True)
class Line:
    """A line as readers see it, and its JSON once somebody has asked for it."""

    command_id: str
    attempt: int
    seq: int
    stream: str
    ts: datetime
    message: str
    epoch: int
    machine_id: str
    namespace: str
    _json: str | None = None

    @property
    def size(self) -> int:
        return 2 * sys.getsizeof(self.message) + _OVERHEAD

    @property
    def json(self) -> str:
        if self._json is None:
            self._json = as_json(record_of(self))
        return self._json


@dataclass(eq=False)
class Page:
    """Lines in order, the cursor before the first and after the last."""

    lines: tuple[Line, ...]
    before: Cursor
    after: Cursor
    encoded: dict[str, bytes] = field(default_factory=dict)  # by format; shared by all readers of this page


def lines_of(batch: LogBatch) -> list[Line]:
    key, epoch, machine_id = batch.key, batch.epoch, batch.machine_id
    return [
        Line(
            key.command_id, key.attempt, each.seq, each.stream, each.ts, each.message, epoch, machine_id, key.namespace
        )
        for each in batch.lines
    ]


def line_of(row: LogRow) -> Line:
    return Line(*(getattr(row, name) for name, _ in COLUMNS))


def first_bytes(lines: Iterable[Line], room: int = PAGE_BYTES) -> Iterator[Line]:
    """As many of the lines as there is room for, and at least one."""
    for number, line in enumerate(lines):
        room -= line.size
        if room < 0 and number:
            return
        yield line


def advanced(cursor: Cursor, lines: Iterable[Line]) -> dict[int, int]:
    after = dict(cursor)
    after.update((line.attempt, line.seq) for line in lines)  # in order, so the last one stays
    return after


def record_of(line: Line) -> dict[str, Any]:
    record = {name: getattr(line, name) for name, _ in COLUMNS}
    return {**record, "ts": as_timestamp(line.ts)}


def as_timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def as_json(value: Mapping[str, Any]) -> str:
    """On one line, also for readers who take more than CR and LF for the end of one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_BREAKS) if not text.isascii() else text
