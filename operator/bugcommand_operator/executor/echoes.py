"""Echoes: what watches show of our own writes, which the answers to those writes have shown already.

They are more than half of all events, so they are dropped before anybody parses them. A pass that has written something
decides anew by itself; nothing waits for an echo. One that is missed (it came before its answer, or twice) is an event
like any other: it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import StreamReader

MOST_EXPECTED = 10_000
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')
"""Inside a JSON string the quotes would be escaped; a label of that name only adds a second one to the line."""
_DELETED = b'{"type":"DELETED"'
Raw = dict[str, Any]


class Echoes:
    def __init__(self) -> None:
        self._expected: dict[tuple[str, bytes], None] = {}
        """By kind and version, the newest last."""

    def expect(self, kind: str, obj: Raw) -> None:
        """The answer to a write of ours, which the world holds by now."""
        self._expected[kind, str(obj["metadata"].get("resourceVersion", "")).encode()] = None
        if len(self._expected) > MOST_EXPECTED:
            del self._expected[next(iter(self._expected))]

    def is_echo(self, kind: str, line: bytes) -> bool:
        """Of a watch of this kind; an end is always news."""
        if line.startswith(_DELETED):
            return False
        versions = {(kind, version) for version in _VERSION.findall(line)}
        if not versions or not versions <= self._expected.keys():
            return False
        for version in versions:
            del self._expected[version]
        return True


class WithoutEchoes:
    """A watch's body as kopf reads it: in chunks of whole lines."""

    def __init__(self, body: StreamReader, kind: str, echoes: Echoes) -> None:
        self._body = body
        self._kind = kind
        self._echoes = echoes

    async def iter_chunked(self, most: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._body.iter_chunked(most):
            *lines, rest = (rest + chunk).split(b"\n")
            if news := [line for line in lines if not self._echoes.is_echo(self._kind, line)]:
                yield b"\n".join((*news, b""))
        if rest:
            yield rest

    def exception(self) -> BaseException | None:
        """Asked, and set, by aiohttp when it closes an answer."""
        return self._body.exception()

    def set_exception(self, error: BaseException, *cause: BaseException) -> None:
        self._body.set_exception(error, *cause)
