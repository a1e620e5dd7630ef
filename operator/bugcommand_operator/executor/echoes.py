"""Echoes: what watches show of our own writes, which the answers to those writes have shown already.

They are more than half of all events, so they are dropped before anybody parses them. A pass that has written something
decides anew by itself. Nothing waits for an echo but a claim where room is shared, and that needs only to know that it
has come. One that is missed (it came before its answer, or twice) is an event like any other: what it shows is known,
or soon answered, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bugcommand_operator.executor.newest import note

MOST_EXPECTED = 10_000
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')
"""Inside a JSON string the quotes would be escaped; a label of that name only adds a second one to the line."""
_DELETED = b'{"type":"DELETED"'
Raw = dict[str, Any]


def nothing() -> None:
    pass


class Echoes:
    def __init__(self) -> None:
        self._expected: dict[tuple[str, bytes], Callable[[], None]] = {}
        """By kind and version, the newest last."""

    def expect(self, kind: str, obj: Raw, when_shown: Callable[[], None] = nothing) -> None:
        """The answer to a write of ours, which the world holds by now."""
        version = str(obj["metadata"].get("resourceVersion", "")).encode()
        note(self._expected, (kind, version), when_shown, MOST_EXPECTED)

    def is_echo(self, kind: str, line: bytes) -> bool:
        """Of a watch of this kind; an end is always news."""
        if line.startswith(_DELETED):
            return False
        versions = {(kind, version) for version in _VERSION.findall(line)}
        if not versions or not versions <= self._expected.keys():
            return False
        for version in versions:
            self._expected.pop(version)()
        return True
