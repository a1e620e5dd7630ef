"""Turn what an untrusted agent writes into lines that are safe to store and to show.

Pure. A line that leaves here is valid UTF-8 without control characters or terminal escapes, holds no known
secret (nor a piece of one of 16 characters or more, nor its base64 or hex form) and is at most 64 KiB.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

MAX_MESSAGE_BYTES = 64 * 1024
REDACTED = "[redacted]"
_WINDOW = 8
_PIECE = 16
_SHORTEST_SECRET = 6

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"  # OSC: titles, clipboard, hyperlinks
    r"|\x9d[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|[\x1b][PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c|$)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"  # CSI: colours, cursor
    r"|\x1b[ -/]*(?:[0-~]|$)"  # the two-character ones
)
# What is left of the control characters, and the marks that let text pretend to be other text.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitise(text: str) -> str:
    """One line: no escapes, no control characters; of text that overwrote itself by `\\r`, what stays visible."""
    text = _ESCAPES.sub("", text).rstrip("\r\n")
    if "\r" in text:
        text = text.rsplit("\r", 1)[1]
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text.replace("\n", " ⏎ ")))


def split_message(text: str, limit: int = MAX_MESSAGE_BYTES) -> Iterator[str]:
    """Parts of at most `limit` bytes, never cut inside a character. An empty line is one part."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        yield text
        return
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode("utf-8", "replace")
        start = end


class Redactor:
    """Replaces known secrets. Fragments count too, so that a secret wrapped over two lines is not shown."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in _forms(secret.strip())}
        # Longest first: a short form inside a long one must not leave the rest of it readable.
        self._forms = tuple(sorted(found.union(self._forms), key=lambda form: (-len(form), form)))

    def __call__(self, text: str) -> str:
        spans = [span for form in self._forms for span in _spans(text, form)]
        return _cut(text, spans) if spans else text


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < _SHORTEST_SECRET:
        return
    yield secret
    raw = secret.encode("utf-8", "replace")
    yield raw.hex()
    for shift in range(3):  # base64 looks different at each of the three alignments
        body = base64.b64encode(b"\0" * shift + raw).decode()
        core = body[(0, 2, 3)[shift] : len(body) - (0, 3, 2)[(shift + len(raw)) % 3]]
        if len(core) >= _WINDOW:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _spans(text: str, form: str) -> Iterator[tuple[int, int]]:
    if len(form) < _PIECE:
        at = text.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = text.find(form, at + len(form))
        return
    for start in range(0, len(form) - _WINDOW + 1, _WINDOW):
        yield from _around_window(text, form, start)


def _around_window(text: str, form: str, start: int) -> Iterator[tuple[int, int]]:
    """Every place where this window of the secret stands, widened as far as the secret goes on there."""
    at = text.find(form[start : start + _WINDOW])
    while at >= 0:
        left, right = at, at + _WINDOW
        while left > 0 and at - left < start and text[left - 1] == form[start - (at - left) - 1]:
            left -= 1
        while right < len(text) and start + right - at < len(form) and text[right] == form[start + right - at]:
            right += 1
        if right - left >= _PIECE:
            yield left, right
        at = text.find(form[start : start + _WINDOW], right)


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    end_of_last = 0
    for start, end in sorted(spans):
        if start >= end_of_last:
            parts += [text[end_of_last:start], REDACTED]
        end_of_last = max(end_of_last, end)
    return "".join([*parts, text[end_of_last:]])


class LineBuffer:
    """Bytes in, whole lines out; a line without an end is let go in parts, so memory stays bounded."""

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [line.decode("utf-8", "replace") for line in whole]
        while len(self._rest) > self._limit:
            cut = self._limit
            while cut > self._limit - 4 and self._rest[cut] & 0xC0 == 0x80:
                cut -= 1
            lines.append(self._rest[:cut].decode("utf-8", "replace"))
            self._rest = self._rest[cut:]
        return lines

    def flush(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []
