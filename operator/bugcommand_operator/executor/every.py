"""One thing again and again, for as long as the executor runs. What the API server does not go along with, a later
round does; any other error ends the executor, to be started anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bugcommand_operator.cluster.errors import ClusterError

log = structlog.get_logger()


async def every(seconds: float, once: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await once()
        except ClusterError as error:
            log.warning("not done, a later round does it", what=once.__qualname__, error=str(error))
