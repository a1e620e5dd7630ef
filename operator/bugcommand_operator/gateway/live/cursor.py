"""How far a reader has read: the last sequence of each attempt, as `1:120,2:50`. Several attempts advance side by
side (a later pod ships what an earlier one left), so one number cannot say it."""

from collections.abc import Mapping

Cursor = Mapping[int, int]

_MOST_ATTEMPTS = 256
_MOST_CHARACTERS = 8192


def parse_cursor(text: str) -> dict[int, int]:
    """Raises ValueError for what is no cursor. The empty text is the beginning."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError("the cursor is too long")
    parts = [part for part in text.strip().split(",") if part]
    if len(parts) > _MOST_ATTEMPTS:
        raise ValueError("the cursor has too many attempts")
    return dict(_parse_part(part) for part in parts)


def show_cursor(cursor: Cursor) -> str:
    return ",".join(f"{attempt}:{seq}" for attempt, seq in sorted(cursor.items()))


def _parse_part(part: str) -> tuple[int, int]:
    attempt, colon, seq = part.strip().partition(":")
    digits = attempt.isascii() and attempt.isdigit() and seq.isascii() and seq.isdigit()
    if not colon or not digits or not 1 <= int(attempt) < 1 << 31 or not 0 <= int(seq) < 1 << 63:
        raise ValueError(f"{part[:40]!r} is not attempt:seq")
    return int(attempt), int(seq)
