"""Whether the gateway can do its work: the store is there, and is of the schema that this version needs."""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.errors import StoreError, StoreUnavailable
from bugcommand_operator.store.migrate import is_migrated, upgrade_engine

_log = structlog.get_logger(__name__)
_CHECK_SECONDS = 5.0


class Readiness:
    """Each check tries what is still missing, so that the kubelet's probes are all the retrying there is."""

    def __init__(self, engine: AsyncEngine, *, migrate: bool) -> None:
        self._engine, self._migrate = engine, migrate
        self._one_at_a_time = asyncio.Lock()
        self._migrated = False

    async def problem(self) -> str | None:
        """What keeps the gateway from working; None when nothing does."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS), self._one_at_a_time:
                await self._check()
        except (StoreError, TimeoutError) as error:
            return f"the log store is away: {error or 'no answer in time'}"
        return None

    async def _check(self) -> None:
        if self._migrate and not self._migrated:
            await upgrade_engine(self._engine)
            self._migrated = True
            _log.info("store is ready")
        elif not await is_migrated(self._engine):
            raise StoreUnavailable("the database is not migrated to the schema of this version")
