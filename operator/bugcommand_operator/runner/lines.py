"""Turn what an untrusted agent writes into lines that are safe to store and to show.

Pure. What leaves here is valid UTF-8 without control characters or terminal escapes, in pieces of at most 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .redactor import REDACTED, Redactor

__all__ = ["MAX_MESSAGE_BYTES", "REDACTED", "LineBuffer", "Part", "Redactor", "sanitise", "split_message"]

MAX_MESSAGE_BYTES = 64 * 1024
_LOOK_BACK = 4096

ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"  # OSC: titles, clipboard, hyperlinks
    r"|\x9d[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|[\x1b][PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c|$)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"  # CSI: colours, cursor
    r"|\x1b[ -/]*(?:[0-~]|$)"  # the two-character ones
)
# What is left of the control characters, and the marks that let text pretend to be other text.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitise(text: str) -> str:
    """One line: no escapes, no control characters; of text that overwrote itself by `\\r`, what stays visible."""
    if text.isascii() and text.isprintable():  # nearly every line, and ten times as fast
        return text
    text = ESCAPES.sub("", text).rstrip("\r\n")
    if "\r" in text:
        text = text.rsplit("\r", 1)[1]
    return _SURROGATES.sub("\ufffd", CONTROLS.sub("", text.replace("\n", " ⏎ ")))


def unfinished_escape(text: str) -> int:
    """Where an escape begins that the end of the text has cut; the text's length if none has."""
    at = max(text.rfind(mark, max(0, len(text) - _LOOK_BACK)) for mark in ("\x1b", "\x9b", "\x9d"))
    if at < 0:
        return len(text)
    found = ESCAPES.match(text, at)
    return at if found is None or found.end() == len(text) else len(text)


def split_message(text: str, limit: int = MAX_MESSAGE_BYTES) -> Iterator[str]:
    """Parts of at most `limit` bytes, never cut inside a character, and at a space where one is near: then no token,
    which has none, is cut either. An empty line is one part."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        yield text
        return
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        space = data.rfind(b" ", max(start, end - _LOOK_BACK), end) if end < len(data) else -1
        end = space + 1 if space > start else end
        yield data[start:end].decode("utf-8", "replace")
        start = end


class Part(str):
    """A piece of a line that goes on in the next one."""

    __slots__ = ()


class LineBuffer:
    """Bytes in, whole lines out; a line without an end is let go in parts, so memory stays bounded."""

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        data = self._rest + data
        end = data.rfind(b"\n")  # no character holds this byte, so that whole lines are read at once
        lines: list[str] = data[:end].decode("utf-8", "replace").split("\n") if end >= 0 else []
        self._rest = data[end + 1 :]
        while len(self._rest) > self._limit:
            cut = self._limit
            while cut > self._limit - 4 and self._rest[cut] & 0xC0 == 0x80:
                cut -= 1
            lines.append(Part(self._rest[:cut].decode("utf-8", "replace")))
            self._rest = self._rest[cut:]
        return lines

    def flush(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []
