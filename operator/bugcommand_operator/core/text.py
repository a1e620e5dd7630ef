"""Text from elsewhere, made fit for a status: nothing that steers a terminal, and bounded in bytes. Pure."""

from __future__ import annotations

import json
import unicodedata

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPED_BY_THE_API_SERVER = "<>&\u2028\u2029"
_MOST_BYTES_OF_ONE = 6
"""Of one character, escaped."""


def clean(text: str) -> str:
    """Without control characters, halves of pairs, and marks that let text pretend to be other text."""
    return text if text.isprintable() else "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character in "\n\t":
        return character
    if character in _REORDERING:
        return ""
    return "\ufffd" if unicodedata.category(character) in {"Cc", "Cs"} else character


def stored_bytes(text: str) -> int:
    """What a text takes in etcd: as JSON, where the API server writes six bytes for each of a few characters."""
    return stored_json_bytes(json.dumps(text, ensure_ascii=False)) - 2


def stored_json_bytes(text: str) -> int:
    """The same, of what is JSON already."""
    escaped = sum(text.count(character) * (6 - len(character.encode())) for character in _ESCAPED_BY_THE_API_SERVER)
    return len(text.encode(errors="replace")) + escaped


def shortened(text: str, most_bytes: int) -> str:
    """As much of its beginning as fits, with a mark that more was there."""
    if len(text) * _MOST_BYTES_OF_ONE <= most_bytes or stored_bytes(text) <= most_bytes:
        return text
    low, high = 0, min(len(text), most_bytes)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if stored_bytes(text[:middle]) <= most_bytes - 3 else (low, middle - 1)
    return text[:low] + "…"
