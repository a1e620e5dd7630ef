"""What a terminal has shown, kept as asciicast v2: a header line, then one line for each piece of output and its time.

Known secrets are taken out also where they are cut by escapes, line breaks or the pieces in which output arrives:
what may be the beginning of one is held back until more has come. It knows no file and no network.
"""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Callable

from .lines import CONTROLS, ESCAPES, unfinished_escape
from .redactor import REDACTED, Redactor

PART_BYTES = 256 * 1024
PART_SECONDS = 5.0
MARKER = "\r\n\x1b[0m[mentu: the recording has reached its size and ends here]\r\n"
_MOST_HELD = 64 * 1024
_EVENT = 16 * 1024  # characters; as JSON, and that as JSON again, many times as much
_INVISIBLE = re.compile(f"{ESCAPES.pattern}|\n|{CONTROLS.pattern}")


class Recorder:
    """`keep` takes a finished part, and says whether it could. `begun` gets each piece of one as it comes: a
    runner that is killed finishes none."""

    def __init__(
        self,
        redactor: Redactor,
        keep: Callable[[bytes], bool],
        header: dict[str, object],
        limit: int,
        monotonic: Callable[[], float] = time.monotonic,
        begun: Callable[[bytes], object] = lambda _piece: None,
    ) -> None:
        self._redactor, self._keep, self._limit, self._monotonic = redactor, keep, limit, monotonic
        self._begun = begun
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._started = self._part_began = monotonic()
        self._part: list[bytes] = [json.dumps({"version": 2, **header}).encode() + b"\n"]
        self._size = self._total = len(self._part[0])
        self._begun(self._part[0])
        self._over = False

    def feed(self, data: bytes, final: bool = False) -> None:
        if self._over:
            return
        text = self._held + self._decoder.decode(data, final)
        at = len(text) if final else self._cut(text)
        self._held = text[at:]
        safe = hidden(text[:at], self._redactor)
        for begin in range(0, len(safe), _EVENT):
            self._event(safe[begin : begin + _EVENT])

    def tick(self) -> None:
        """A part that was begun some seconds ago is let go."""
        if self._part and self._monotonic() - self._part_began >= PART_SECONDS:
            self._finish_part()

    def close(self) -> None:
        self.feed(b"", final=True)
        self._finish_part()

    def _cut(self, text: str) -> int:
        """Where what may be the beginning of a secret, or of an escape, begins at the end of the text."""
        end = unfinished_escape(text)
        begin = max(0, end - 2 * self._redactor.longest - 4096)
        begun = self._redactor.begun(_INVISIBLE.sub("", text[begin:end]))
        at = begin + _visible(text[begin:end])[-begun] if begun else end
        return at if len(text) - at <= _MOST_HELD else len(text)

    def _event(self, text: str) -> None:
        if self._over:
            return
        event = self._encoded(text)
        if self._total + len(event) > self._limit:
            event, self._over, self._held = self._encoded(MARKER), True, ""
        if not self._part:
            self._part_began = self._monotonic()
        if self._size + len(event) > PART_BYTES:
            self._finish_part()
        self._part.append(event)
        self._begun(event)
        self._size += len(event)
        self._total += len(event)
        if self._over:
            self._finish_part()

    def _encoded(self, text: str) -> bytes:
        at = round(self._monotonic() - self._started, 6)
        return json.dumps([at, "o", text], ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def _finish_part(self) -> None:
        part, self._part, self._size = b"".join(self._part), [], 0
        self._part_began = self._monotonic()
        if part and not self._keep(part):
            self._over = True


def hidden(text: str, redactor: Redactor) -> str:
    """The text without secrets. Escapes that stand within one stay: the terminal's state depends on them."""
    spans = redactor.spans(_INVISIBLE.sub("", text))
    if not spans:
        return text
    places, characters, done = _visible(text), list(text), 0
    for start, end in sorted(spans):
        for place in places[max(start, done) : end]:
            characters[place] = ""
        if start >= done:
            characters[places[start]] = REDACTED
        done = max(done, end)
    return "".join(characters)


def _visible(text: str) -> list[int]:
    """Where each character stands that is seen."""
    places: list[int] = []
    at = 0
    for match in _INVISIBLE.finditer(text):
        places += range(at, match.start())
        at = match.end()
    return [*places, *range(at, len(text))]
