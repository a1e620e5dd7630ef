"""Work by key: several keys at once, one key never twice at once, and once more when it was asked for meanwhile.

What finds no room is left out: whoever fills this looks again now and then.
"""

import asyncio
from collections.abc import Awaitable, Callable


class Turns:
    def __init__(self, work: Callable[[str], Awaitable[None]], *, workers: int = 8, room: int = 20_000) -> None:
        self._work, self._workers = work, workers
        self._queue: asyncio.Queue[str] = asyncio.Queue(room)
        self._waiting: set[str] = set()
        self._busy: set[str] = set()

    def add(self, key: str) -> bool:
        """False when there is no room."""
        if key in self._waiting:
            return True
        if key not in self._busy:
            if self._queue.full():
                return False
            self._queue.put_nowait(key)
        self._waiting.add(key)
        return True

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._busy

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._one_after_another(), name=f"bridge-{number}")

    async def _one_after_another(self) -> None:
        while True:
            key = await self._queue.get()
            self._waiting.discard(key)
            self._busy.add(key)
            try:
                await self._work(key)
            finally:
                self._busy.discard(key)
                if key in self._waiting:
                    self._again(key)

    def _again(self, key: str) -> None:
        try:
            self._queue.put_nowait(key)
        except asyncio.QueueFull:
            self._waiting.discard(key)
