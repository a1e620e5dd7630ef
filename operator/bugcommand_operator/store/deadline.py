"""A bound on how long one may wait for a database, which holds even where the driver cannot be interrupted."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bugcommand_operator.store.errors import StoreUnavailable

T = TypeVar("T")

_left_behind: set[asyncio.Task[Any]] = set()  # the loop itself would forget them half way


async def within(seconds: float, work: Coroutine[Any, Any, T], cut: Callable[[], None] | None) -> T:
    """The work's result, or `StoreUnavailable` when it takes longer. It is then cut and left to end by itself: it
    may or may not have been carried out. Without `cut` it is not interrupted at all, only left."""
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _leave(task, cut)
        raise
    if not done:
        _leave(task, cut)
        raise StoreUnavailable(f"no answer within {seconds:g} s")
    return task.result()


def _leave(task: asyncio.Task[Any], cut: Callable[[], None] | None) -> None:
    if cut is not None:
        cut()
        task.cancel()
    _left_behind.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()  # seen, and of no interest any more
