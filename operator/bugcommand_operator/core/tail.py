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


def tail_of(lines: Sequence[Line], most: int = MAX_BYTES) -> list[str]:
    """Newest last; older ones are left out first. Lines of stderr say so."""
    texts = (f"stderr: {line.message}" if line.stream == "stderr" else line.message for line in lines[-MAX_TAIL_LINES:])
    return newest([shortened(clean(text), MAX_LINE_BYTES) for text in texts], most)


def newest(texts: Sequence[str], most: int) -> list[str]:
    """As many of the last ones as fit."""
    kept: list[str] = []
    for text in reversed(texts):
        most -= stored_bytes(text)
        if most < 0:
            break
        kept.append(text)
    return kept[::-1]
