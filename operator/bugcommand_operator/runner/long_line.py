"""A line that is longer than a row may be, or that arrives in pieces: parts that fit, marked, no secret cut in two.

Pure. A part that goes on ends in `↩`, one that continues begins with `↪`; without these marks, the parts are the line.
Of a piece that goes on, its end is held back until more has come: it may be the beginning of a secret or of an escape.
"""

from __future__ import annotations

from collections.abc import Iterator

from .lines import MAX_MESSAGE_BYTES, sanitise, split_message, unfinished_escape
from .redactor import Redactor

GOES_ON, CONTINUES = "↩", "↪"
_MARKS = len((GOES_ON + CONTINUES).encode())
_LONGEST_TOKEN = 4096


class LongLine:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._raw = ""  # perhaps an escape that is not whole yet
        self._clean = ""
        self._begun = False

    def feed(self, text: str, goes_on: bool) -> list[str]:
        raw = self._raw + text
        at = unfinished_escape(raw) if goes_on else len(raw)
        self._raw = raw[at:]
        clean = self._clean + sanitise(raw[:at])
        at = self._safe_cut(clean) if goes_on else len(clean)
        self._clean = clean[at:]
        return list(self._parts(self._redactor(clean[:at]), goes_on))

    def _safe_cut(self, text: str) -> int:
        """Where it may be cut: what begins after it and is a secret can still be seen whole once more has come."""
        at = len(text) - max(_LONGEST_TOKEN, self._redactor.longest)
        if at <= 0:
            return 0
        space = text.rfind(" ", max(0, at - _LONGEST_TOKEN), at)
        at = space + 1 if space >= 0 else at
        for start, end in sorted(self._redactor.spans(text), reverse=True):
            if start < at < end:
                at = start
        return at

    def _parts(self, text: str, goes_on: bool) -> Iterator[str]:
        if not text and (goes_on or not self._begun):
            return
        parts = list(split_message(text, MAX_MESSAGE_BYTES - _MARKS))
        for number, part in enumerate(parts, 1):
            mark = CONTINUES if self._begun else ""
            self._begun = True
            yield mark + part + (GOES_ON if goes_on or number < len(parts) else "")


def fitting(text: str) -> list[str]:
    """A whole line, already without secrets, in parts that fit."""
    if len(text) * 4 <= MAX_MESSAGE_BYTES or len(text.encode("utf-8", "replace")) <= MAX_MESSAGE_BYTES:
        return [text]
    parts = list(split_message(text, MAX_MESSAGE_BYTES - _MARKS))
    last = len(parts) - 1
    return [
        (CONTINUES if number else "") + part + (GOES_ON if number < last else "") for number, part in enumerate(parts)
    ]
