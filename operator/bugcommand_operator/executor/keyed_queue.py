"""Work by key: a key waits once, is worked on by one worker at a time, and is tried again later when its pass fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

Key = tuple[str, str]
FIRST_BACKOFF, LAST_BACKOFF = 0.05, 60.0
_AT_ONCE, _FIRST, _IN_TURN, _NOWHERE = range(4)
log = structlog.get_logger()


class KeyedQueue:
    """`work(key)` returns after how many seconds to look again, or None; an exception is backed off from."""

    def __init__(
        self,
        work: Callable[[Key], Awaitable[float | None]],
        workers: int = 16,
        waited: Callable[[float], None] = lambda _seconds: None,
        is_put_off: Callable[[Key], bool] = lambda _key: False,
    ) -> None:
        """`waited` is told how long each key has waited for its worker. What `is_put_off` at the end of a pass was not
        tried: how often it has failed before is not forgotten."""
        self._is_put_off = is_put_off
        self._work = work
        self._waited = waited
        self._workers = workers
        self._ready: asyncio.PriorityQueue[tuple[int, int, Key]] = asyncio.PriorityQueue()
        self._numbers = count()
        self._waiting: dict[Key, float] = {}
        self._lanes: dict[Key, int] = {}
        """The foremost one that each of them waits in."""
        self._working: dict[Key, float] = {}
        """Since when each of them has waited, its work included."""
        self._again: dict[Key, int] = {}
        """Those of them that are to be worked on again, and the lane that they then wait in."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        self._put(_IN_TURN, key)

    def add_first(self, key: Key) -> None:
        """Before all that were added in turn, also when it is among them: a burst of others does not hold it up."""
        self._put(_FIRST, key)

    def add_at_once(self, key: Key) -> None:
        """Before those, too: somebody waits for each."""
        self._put(_AT_ONCE, key)

    def _put(self, lane: int, key: Key) -> None:
        if key in self._working:
            self._again[key] = min(lane, self._again.get(key, lane))
        elif lane < self._lanes.get(key, _NOWHERE):
            self._lanes[key] = lane
            self._waiting.setdefault(key, time.monotonic())
            self._ready.put_nowait((lane, next(self._numbers), key))

    def add_after(self, key: Key, seconds: float) -> None:
        """The earliest of several wins."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0)
        pending = self._timers.get(key)
        if pending is not None and not pending.cancelled() and pending.when() <= due:
            return
        if pending is not None:
            pending.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    @property
    def oldest_seconds(self) -> float:
        """Since the first key came of those that wait or are worked on; any thread may ask."""
        since = [*list(self._waiting.values())[:1], *list(self._working.values())]
        return time.monotonic() - min(since) if since else 0.0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker())

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _worker(self) -> None:
        while True:
            _, _, key = await self._ready.get()
            if key not in self._waiting:
                continue  # it went first meanwhile
            self._working[key] = self._waiting.pop(key)
            self._waited(time.monotonic() - self._working[key])
            del self._lanes[key]
            try:
                await self._one(key)
            finally:
                del self._working[key]
                if key in self._again:
                    self._put(self._again.pop(key), key)

    async def _one(self, key: Key) -> None:
        try:
            again = await self._work(key)
        except Exception as error:  # noqa: BLE001 - no command may stop the others; it is logged and tried again
            self._failures[key] = self._failures.get(key, 0) + 1
            delay = backoff(self._failures[key])
            log.warning(
                "pass failed", key="/".join(key), error=f"{type(error).__name__}: {error}", again_in=round(delay, 2)
            )
            self.add_after(key, delay)
        else:
            if not self._is_put_off(key):
                self._failures.pop(key, None)
            if again is not None:
                self.add_after(key, again)


def backoff(failures: int) -> float:
    longest: float = min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 20), LAST_BACKOFF)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
