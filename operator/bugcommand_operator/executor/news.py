"""Which lines of a watch go on to kopf. Not echoes of our own writes (`echoes.py`), nor what commands, pods and volumes
are by now: that goes straight to where kopf's handlers would take it. kopf would parse, queue and wrap each line, which
costs more than the pass that follows. Definitions, ends of pods and volumes, and what does not read, are kopf's. A
command's end is not: it makes room for others, and what comes after it must not be looked at before it is known.

Of what was kept from it kopf still hears how far the watch has come, as a bookmark: else it would take a watch that
shows nothing but that for stalled, and begin it anew from before all of it, again and again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
import structlog
from aiohttp import StreamReader

from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.echoes import Echoes

Hear = Callable[[dict[str, Any]], None]
SHOWN_BYTES = 200
log = structlog.get_logger()


class News:
    def __init__(self, echoes: Echoes, hear: Mapping[str, Mapping[str, Hear]]) -> None:
        """`hear`: by kind and type of event, who takes its object without kopf."""
        self._echoes = echoes
        self._hear = hear

    def goes_on(self, kind: str, line: bytes) -> bool:
        try:
            return not self._echoes.is_echo(kind, line) and not (kind in self._hear and self._is_heard(kind, line))
        except Exception:  # one line must not end the watch; kopf's handler tries it once more
            beginning = line[:SHOWN_BYTES].decode(errors="replace")
            log.exception("a line of a watch was not understood", kind=kind, line=beginning)
            return True

    def _is_heard(self, kind: str, line: bytes) -> bool:
        """What does not read is kopf's to complain about."""
        try:
            event = orjson.loads(line)
            hear, obj = self._hear[kind][event["type"]], event["object"]
        except (ValueError, KeyError, TypeError):
            return False
        hear(obj)
        metrics.LAST_EVENT.labels(kind).set_to_current_time()
        return True


def bookmark(line: bytes) -> bytes:
    """As the API server itself says how far a watch has come, without an object: here to this line's."""
    shown = orjson.loads(line)["object"]
    meta = {"resourceVersion": shown["metadata"]["resourceVersion"]}
    return orjson.dumps({"type": "BOOKMARK", "object": {**_names(shown), "metadata": meta}})


def _names(shown: dict[str, object]) -> dict[str, object]:
    return {name: shown[name] for name in ("apiVersion", "kind") if name in shown}


class OnlyNews:
    """A watch's body as kopf reads it: in chunks of whole lines."""

    def __init__(self, body: StreamReader, kind: str, news: News) -> None:
        self._body = body
        self._kind = kind
        self._news = news

    async def iter_chunked(self, most: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._body.iter_chunked(most):
            *lines, rest = (rest + chunk).split(b"\n")
            told = [line for line in lines if self._news.goes_on(self._kind, line)]
            if lines and (not told or told[-1] is not lines[-1]):
                told.append(bookmark(lines[-1]))
            if told:
                yield b"\n".join((*told, b""))
        if rest:
            yield rest

    def exception(self) -> BaseException | None:
        """Asked, and set, by aiohttp when it closes an answer."""
        return self._body.exception()

    def set_exception(self, error: BaseException, *cause: BaseException) -> None:
        self._body.set_exception(error, *cause)
