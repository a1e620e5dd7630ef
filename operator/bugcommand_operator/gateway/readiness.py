"""Whether the gateway can do its work: the store is there, and is of the schema that this version needs.

Whoever asks needs no token, so asking must cost nothing: one check at a time, and its answer holds for a second.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.errors import StoreError, StoreUnavailable
from bugcommand_operator.store.migrate import is_migrated, upgrade_engine

_log = structlog.get_logger(__name__)
_CHECK_SECONDS = 5.0
_KEPT_SECONDS = 1.0


class Readiness:
    """Each check tries what is still missing, so that the kubelet's probes are all the retrying there is."""

    def __init__(self, engine: AsyncEngine, *, migrate: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._migrate, self._clock = engine, migrate, clock
        self._migrated = False
        self._migrating: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[str | None] | None = None
        self._answer: str | None = None
        self._kept_until = float("-inf")

    async def problem(self) -> str | None:
        """What keeps the gateway from working; None when nothing does."""
        if self._checking is None:
            if self._clock() < self._kept_until:
                return self._answer
            self._checking = asyncio.create_task(self._check(), name="readiness")
        return await asyncio.shield(self._checking)

    async def close(self) -> None:
        """Wait for what is under way: it uses the store."""
        tasks = [task for task in (self._checking, self._migrating) if task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _check(self) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._look()
            self._answer = None
        except (StoreError, TimeoutError) as error:
            self._answer = f"the log store is away: {error or 'no answer in time'}"
        finally:
            self._kept_until = self._clock() + _KEPT_SECONDS
            self._checking = None
        return self._answer

    async def _look(self) -> None:
        if self._migrate and not self._migrated:
            if self._migrating is None:
                self._migrating = asyncio.create_task(self._upgrade(), name="migrate")
            await asyncio.shield(self._migrating)  # a large file takes longer than a probe waits
        elif not await is_migrated(self._engine):
            raise StoreUnavailable("the database is not migrated to the schema of this version")

    async def _upgrade(self) -> None:
        try:
            await upgrade_engine(self._engine)
        finally:
            self._migrating = None
        self._migrated = True
        _log.info("store is ready")
