"""Waiting for a condition that nobody announces, bounded in time."""

from __future__ import annotations

import asyncio
import time
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


async def while_it_gets_less(
    left: Callable[[], int],
    stalled: float,
    most: float,
    every: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """What is left at last: nothing, or what has not become less for `stalled` seconds, or is there after `most`."""
    began = moved = clock()
    before = left()
    while before and clock() - moved < stalled and clock() - began < most:
        await asyncio.sleep(every)
        if (now := left()) < before:
            before, moved = now, clock()
    return before
