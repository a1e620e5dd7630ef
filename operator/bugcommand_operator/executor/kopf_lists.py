"""kopf lists all objects before it watches them. Here we have listed them by then (`resync.py`), so kopf is shown none,
only from which version on it has to watch: it would parse, queue and wrap each of thousands, whole.

For that it has to ask little: its lists come in pages of one object (`main.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson
import structlog
from aiohttp import ClientPayloadError, StreamReader

from bugcommand_operator.cluster.errors import ClusterError

WatchedFrom = Callable[[str, str | None], Awaitable[str]]
"""By kind and namespace (None: all), the version from which on to watch. Raises ClusterError."""
PAUSE_SECONDS, LONGEST_PAUSE = 3.0, 60.0
log = structlog.get_logger()


class SignsOfLife(Protocol):
    def answered(self, kind: str) -> None: ...

    def failed(self, kind: str, why: str) -> None: ...


class NothingButVersion:
    """A list's body as kopf reads it."""

    def __init__(
        self,
        body: StreamReader,
        kind: str,
        namespace: str | None,
        watched_from: WatchedFrom,
        signs: SignsOfLife,
    ) -> None:
        self._body = body
        self._kind = kind
        self._namespace = namespace
        self._watched_from = watched_from
        self._signs = signs

    async def read(self) -> bytes:
        """Raises, after a pause, what kopf takes for a broken connection: it begins anew at once."""
        try:
            await self._body.read()
            version = await self._watched_from(self._kind, self._namespace)
        except (ClusterError, ClientPayloadError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            self._signs.failed(self._kind, why)
            log.warning("no list, so no watch yet", kind=self._kind, namespace=self._namespace, error=why)
            await asyncio.sleep(min(max(PAUSE_SECONDS, getattr(error, "retry_after", None) or 0), LONGEST_PAUSE))
            raise ClientPayloadError(why) from error
        self._signs.answered(self._kind)
        return orjson.dumps({"kind": f"{self._kind}List", "metadata": {"resourceVersion": version}, "items": []})

    def exception(self) -> BaseException | None:
        """Asked, and set, by aiohttp when it closes an answer."""
        return self._body.exception()

    def set_exception(self, error: BaseException, *cause: BaseException) -> None:
        self._body.set_exception(error, *cause)


def namespace_in(path: tuple[str, ...]) -> str | None:
    """Of the parts of one that ends as in `.../namespaces/team-a/pods`."""
    *_, parent, name, _ = ("", "", *path)
    return name if parent == "namespaces" else None
