"""What the gateway does beside its requests, now and then: partitions ahead of the days, the search index behind the
intake, and the end of logs whose time is over.

Each piece of work is small and yields between pieces, so that the intake never waits for it. Of several gateways on a
Postgres one does a piece at a time: the store's own locks see to that, and a piece that another has done is no work.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.token_review import IdentityUnavailable
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.store.errors import StoreError
from bugcommand_operator.store.indexing import index_once
from bugcommand_operator.store.partitions import ensure_ahead
from bugcommand_operator.store.retention import RetentionPolicy, expire

_log = structlog.get_logger(__name__)
_CHUNKS = 64
_RETRY_SECONDS = 15.0


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
    first_seconds: float = 1.0
    pause_seconds: float = 0.05
    most_pieces: int = 1000

    async def run(self) -> None:
        await asyncio.sleep(self.first_seconds)
        failing = False
        while True:
            failed = await self.once(tell=not failing)
            if failing and not failed:
                _log.info("a job of the store works again", job=self.name)
            failing = failed
            await asyncio.sleep(_RETRY_SECONDS if failed else self.every_seconds)

    async def once(self, *, tell: bool = True) -> bool:
        """Pieces until there is no more, within bounds. Whether it failed, which is told once; it is tried again."""
        started = time.monotonic()
        result = "done"
        try:
            await self._pieces()
        except (StoreError, ClusterError, IdentityUnavailable) as error:
            result = "failed"
            if tell:
                _log.warning("a job of the store has failed", job=self.name, error=str(error))
        self.metrics.job_runs.labels(self.name, result).inc()
        self.metrics.job_seconds.labels(self.name).observe(time.monotonic() - started)
        return result == "failed"

    async def _pieces(self) -> None:
        for _ in range(self.most_pieces):
            if not await self.work():
                return
            await asyncio.sleep(self.pause_seconds)


def jobs_of(engine: AsyncEngine, metrics: Metrics, rules: Callable[[], Awaitable[RetentionPolicy]] | None) -> list[Job]:
    """`rules` says how long logs are kept; without it none is ever deleted."""

    async def partitions() -> bool:
        await ensure_ahead(engine, datetime.now(UTC).date())
        return False

    async def index() -> bool:
        return await index_once(engine, _CHUNKS) >= _CHUNKS

    jobs = [
        Job("partitions", 3600.0, partitions, metrics, first_seconds=0.0),
        Job("index", 2.0, index, metrics),
    ]
    if rules is not None:
        jobs.append(Job("retention", 600.0, Retention(engine, rules).piece, metrics, first_seconds=30.0))
    for job in jobs:
        for result in ("done", "failed"):
            metrics.job_runs.labels(job.name, result)  # there from the beginning, so that its first increase shows
    return jobs


class Retention:
    """The rules are asked for when a run begins, and hold for its pieces, for a minute at most."""

    def __init__(
        self,
        engine: AsyncEngine,
        rules: Callable[[], Awaitable[RetentionPolicy]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._rules, self._clock = engine, rules, clock
        self._policy: RetentionPolicy | None = None
        self._until = 0.0

    async def piece(self) -> bool:
        if self._policy is None or self._clock() >= self._until:
            self._policy, self._until = await self._rules(), self._clock() + 60.0
        done = await expire(self._engine, self._policy)
        if done.partitions or done.commands:
            _log.info("logs have ended", commands=done.commands, lines=done.lines, partitions=done.partitions)
        if not done.more:
            self._policy = None
        return done.more
