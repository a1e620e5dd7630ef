"""A task that lives as long as the gateway. Its failure is a mistake of ours: it is logged, and the gateway is no
longer alive, so that it is started anew rather than left without its bridge."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


class Background:
    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self._task is None or not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="bridge")
        self._task.add_done_callback(_say_why)

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the bridge has ended", exc_info=error)
