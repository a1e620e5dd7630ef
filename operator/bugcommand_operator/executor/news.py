"""Which lines of a watch go on to kopf. Not echoes of our own writes (`echoes.py`), nor what kubelets and volume
controllers write of pods and volumes without changing anything that is looked at: kopf would parse, queue and wrap each
of them for a handler that has nothing to do.

Of what was kept from it kopf still hears how far the watch has come, as a bookmark: else it would take a watch that
shows nothing but that for stalled, and begin it anew from before all of it, again and again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
from aiohttp import StreamReader

from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.world import World


class News:
    def __init__(self, world: World) -> None:
        self._world = world
        self._knows = {"Pod": world.knows_pod, "PersistentVolumeClaim": world.knows_volume}

    def is_news(self, kind: str, line: bytes) -> bool:
        if self._world.echoes.is_echo(kind, line):
            return False
        return kind not in self._knows or not self._is_known(kind, line)

    def _is_known(self, kind: str, line: bytes) -> bool:
        """What does not read is kopf's to complain about; an end is always news."""
        try:
            event = orjson.loads(line)
            is_known = event["type"] in {"ADDED", "MODIFIED"} and self._knows[kind](event["object"])
        except (ValueError, KeyError, TypeError):
            return False
        if is_known:
            metrics.LAST_EVENT.labels(kind).set_to_current_time()
        return is_known


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
            told = [line for line in lines if self._news.is_news(self._kind, line)]
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
