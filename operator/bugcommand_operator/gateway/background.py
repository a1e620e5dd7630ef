"""What the gateway does beside its requests, now and then: partitions ahead of the days, the search index behind the
intake, and the end of logs whose time is over.

Each piece of work is small and yields between pieces, so that the intake never waits for it. Of several gateways on a
Postgres one does a job at a time; the others find it taken and look again later.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.token_review import IdentityUnavailable
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.store.errors import StoreError

_log = structlog.get_logger(__name__)
Turn = Callable[[str], AbstractAsyncContextManager[bool]]
"""Takes a job's name; gives whether it is ours to do for now."""


@asynccontextmanager
async def always(_name: str) -> AsyncIterator[bool]:
    """Where there is only one gateway."""
    yield True


class Background:
    """What runs beside the requests until the end. None of it returns by itself: one that does has failed."""

    def __init__(self, runs: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        self._runs = list(runs)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def alive(self) -> bool:
        return not any(task.done() for task in self._tasks)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(run()) for run in self._runs]
        for task in self._tasks:
            task.add_done_callback(_tell)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        _log.error("a background task has ended", exc_info=task.exception())


@dataclass(frozen=True)
class Job:
    """`work` does one bounded piece and says whether there is more of it at once."""

    name: str
    every_seconds: float
    work: Callable[[], Awaitable[bool]]
    metrics: Metrics
    turn: Turn = always
    first_seconds: float = 1.0
    pause_seconds: float = 0.05
    most_pieces: int = 1000

    async def run(self) -> None:
        await asyncio.sleep(self.first_seconds)
        while True:
            await self.once()
            await asyncio.sleep(self.every_seconds)

    async def once(self) -> None:
        """Pieces until there is no more, within bounds. What goes wrong is told, and tried again the next time."""
        started = time.monotonic()
        try:
            async with self.turn(self.name) as ours:
                result = "done" if ours else "elsewhere"
                if ours:
                    await self._pieces()
        except (StoreError, ClusterError, IdentityUnavailable) as error:
            result = "failed"
            _log.warning("a job of the store has failed", job=self.name, error=str(error))
        self.metrics.job_runs.labels(self.name, result).inc()
        self.metrics.job_seconds.labels(self.name).observe(time.monotonic() - started)

    async def _pieces(self) -> None:
        for _ in range(self.most_pieces):
            if not await self.work():
                return
            await asyncio.sleep(self.pause_seconds)


def jobs_of(*_dependencies: object) -> list[Job]:
    return []
