"""How many questions are open at the store at a time, in all and for each reader. Others wait a moment, and are then
told to come back; what is free is taken without waiting, however many wait for their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bugcommand_operator.gateway.rest.errors import NotNow


class Slots:
    def __init__(self, total: int = 6, per_reader: int = 3, *, waiting: int = 16, seconds: float = 10.0) -> None:
        """`waiting`: how many may wait of one reader."""
        self._per_reader, self._waiting, self._seconds = per_reader, waiting, seconds
        self._free = total
        self._held: Counter[str] = Counter()
        self._queued: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, reader: str) -> AsyncIterator[None]:
        await self._acquire(reader)
        try:
            yield
        finally:
            await asyncio.shield(self._release(reader))

    async def _acquire(self, reader: str) -> None:
        if not self._is_free(reader):
            await self._wait(reader)
        self._free -= 1
        self._held[reader] += 1

    def _is_free(self, reader: str) -> bool:
        return self._free > 0 and self._held[reader] < self._per_reader

    async def _wait(self, reader: str) -> None:
        """Until one is free; nothing may be awaited between that and taking it."""
        if self._queued[reader] >= self._waiting:
            raise _busy()
        self._queued[reader] += 1
        try:
            async with asyncio.timeout(self._seconds), self._changed:
                await self._changed.wait_for(lambda: self._is_free(reader))
        except TimeoutError as error:
            raise _busy() from error
        finally:
            self._queued[reader] -= 1
            if not self._queued[reader]:
                del self._queued[reader]

    async def _release(self, reader: str) -> None:
        async with self._changed:
            self._free += 1
            self._held[reader] -= 1
            if self._held[reader] <= 0:
                del self._held[reader]
            self._changed.notify_all()


def _busy() -> NotNow:
    return NotNow("PGRST003", "too many questions are open", hint="Try again in a moment.", retry_after=1)
