"""Wildcards without regular expressions, so that no pattern can make matching slow.

One algorithm serves characters and path segments: a star takes as little as it can and grows only when
the rest does not fit. Its cost is bounded by pattern length times text length, whoever wrote the pattern.
"""

from collections.abc import Callable, Sequence


def matches_text(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`, where `*` stands for any run of characters."""
    return _matches(pattern, text, "*", _same)


def matches_segment(pattern: str, segment: str) -> bool:
    """Whether one path segment fits, where `*` is any run and `?` one character."""
    return _matches(pattern, segment, "*", _same_or_any)


def matches_segments(patterns: Sequence[str], segments: Sequence[str]) -> bool:
    """Whether a whole path fits, where the segment `**` stands for any number of segments."""
    return _matches(patterns, segments, "**", matches_segment)


def _same(wanted: str, found: str) -> bool:
    return wanted == found


def _same_or_any(wanted: str, found: str) -> bool:
    return wanted in ("?", found)


def _matches(pattern: Sequence[str], items: Sequence[str], star: str, fits: Callable[[str, str], bool]) -> bool:
    at, position = 0, 0
    star_at, star_position = -1, 0
    while position < len(items):
        if at < len(pattern) and pattern[at] == star:
            star_at, star_position = at, position
            at += 1
        elif at < len(pattern) and fits(pattern[at], items[position]):
            at, position = at + 1, position + 1
        elif star_at >= 0:
            star_position += 1
            at, position = star_at + 1, star_position
        else:
            return False
    return all(rest == star for rest in pattern[at:])
