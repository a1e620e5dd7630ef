"""Waiting for a condition that nobody announces, bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class TookTooLong(Exception):
    """What was waited for did not come about in time."""


async def until(what: str, holds: Callable[[], Awaitable[bool]], seconds: float, every: float = 0.1) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - the API server has no event to wait for
                await asyncio.sleep(every)
    except TimeoutError:
        raise TookTooLong(f"{what}: not within {seconds:g} s") from None
