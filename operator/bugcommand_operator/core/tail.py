"""The end of a log as a status may carry it: at most 50 lines and 16 KiB, what people see first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bugcommand_operator.api.bugcommand import MAX_TAIL_LINES
from bugcommand_operator.core.text import clean, shortened, stored_bytes

MAX_BYTES = 16 * 1024
MAX_LINE_BYTES = 1024


class Line(Protocol):
    @property
    def stream(self) -> str: ...

    @property
    def message(self) -> str: ...


def tail_of(lines: Sequence[Line]) -> list[str]:
    """Newest last; older ones are left out first. Lines of stderr say so."""
    kept: list[str] = []
    room = MAX_BYTES
    for line in reversed(lines[-MAX_TAIL_LINES:]):
        text = f"stderr: {line.message}" if line.stream == "stderr" else line.message
        text = shortened(clean(text), MAX_LINE_BYTES)
        room -= stored_bytes(text)
        if room < 0:
            break
        kept.append(text)
    return kept[::-1]
