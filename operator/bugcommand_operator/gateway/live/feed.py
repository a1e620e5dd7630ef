"""The feed: what commits announce, and how readers get the lines. It may not decide who may read.

An announcement says only how far an attempt has come; a lost one is made up for by looking, each few seconds, how
far the watched commands have come. The gateway's own commits also fill the ring, so that they are seldom read back.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.following import Following
from bugcommand_operator.gateway.live.line import first_bytes, line_of, lines_of
from bugcommand_operator.gateway.live.order import in_order
from bugcommand_operator.gateway.live.ports import LineSource
from bugcommand_operator.gateway.live.ring import Ring
from bugcommand_operator.gateway.live.watched import Read, Watched, page_of
from bugcommand_operator.store.errors import StoreError, StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogBatch

_READ_SECONDS = 10.0
_ECHO_SECONDS = 0.015  # an own commit's notification may come before its announcement: let that come first
_READS_AT_ONCE = 3

Sighting = Callable[[AttemptKey, int], None]
"""Told of an attempt and the first of its lines that were just committed."""


class Feed:
    def __init__(
        self,
        lines: LineSource,
        *,
        ring_bytes: int = 32 << 20,
        poll_seconds: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines, self.poll_seconds, self._clock = lines, poll_seconds, clock
        self._ring = Ring(ring_bytes)
        self._watched: dict[str, Watched] = {}
        self._sightings: dict[object, tuple[str, Sighting, Callable[[], None]]] = {}
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)
        self._tasks: set[asyncio.Task[Read]] = set()
        self.readers = 0
        self.store_reads = 0

    def announce(self, batches: Sequence[LogBatch]) -> None:
        """What was just committed here: lines that had not been there before."""
        attempts: dict[AttemptKey, list[LogBatch]] = defaultdict(list)
        for batch in batches:
            if batch.lines and self._is_wanted(batch.key):
                attempts[batch.key].append(batch)
        for key, some in attempts.items():
            lines = sorted((line for batch in some for line in lines_of(batch)), key=lambda line: line.seq)
            self._sight(key, lines[0].seq)
            if (watched := self._watched.get(key.command_id)) is not None:
                watched.announce(key.attempt, lines, self._clock(), self._ring)

    def announced(self, key: AttemptKey, first_seq: int, last_seq: int) -> None:
        """What a notification says was committed, here or by another gateway."""
        self._sight(key, first_seq)
        watched = self._watched.get(key.command_id)
        if watched is None:
            return
        if not watched.told:
            asyncio.get_running_loop().call_later(_ECHO_SECONDS, self._look_at_told, watched)
        watched.told[key.attempt] = max(last_seq, watched.told.get(key.attempt, 0))

    def follow(self, command_id: str, cursor: Cursor, wake: Callable[[], None]) -> Following:
        """From here on `wake` is called whenever there may be more. To be closed."""
        watched = self._watched.get(command_id)
        if watched is None:
            watched = self._watched[command_id] = Watched(command_id)
        following = Following(self, watched, cursor)
        watched.wakes[following] = wake
        self.readers += 1
        return following

    def unfollow(self, following: Following) -> None:
        watched = following.watched
        if watched.wakes.pop(following, None) is None:
            return
        self.readers -= 1
        if not watched.wakes:
            self._watched.pop(watched.command_id, None)
            for attempt in watched.attempts.values():
                self._ring.drop(attempt.run)

    def sight(self, namespace: str, sighting: Sighting, interrupted: Callable[[], None]) -> Callable[[], None]:
        """Be told of each commit of a namespace, and when some may have been missed; returns what ends that."""
        mark = object()
        self._sightings[mark] = (namespace, sighting, interrupted)
        return lambda: self._sightings.pop(mark, None) and None

    def interrupt(self) -> None:
        """Announcements may have been missed."""
        for _, _, interrupted in tuple(self._sightings.values()):
            interrupted()

    @property
    def ring_bytes(self) -> int:
        return self._ring.size

    @property
    def sights(self) -> bool:
        """Whether somebody reads whole namespaces."""
        return bool(self._sightings)

    async def run(self) -> None:
        """Until cancelled: look how far the watched commands have come. Ends the reads that are under way."""
        try:
            while True:
                await asyncio.sleep(self.poll_seconds)
                with suppress(StoreError):
                    await self.look()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        for key, last in (await self.how_far(tuple(self._watched))).items():
            if (watched := self._watched.get(key.command_id)) is not None:
                watched.tell(key.attempt, last, self._clock())

    async def how_far(self, command_ids: Sequence[str]) -> dict[AttemptKey, int]:
        """The last sequence of each attempt of these commands, as committed."""
        if not command_ids:
            return {}
        try:
            async with asyncio.timeout(_READ_SECONDS):
                progress = await self._lines.progress(command_ids)
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time") from error
        return {key: one.last_sequence for key, one in progress.items()}

    async def read(self, watched: Watched, cursor: Cursor, limit: int) -> Read:
        """The next page from the store. Who asks for the same at the same time shares one read."""
        key = (tuple(sorted(cursor.items())), limit, watched.version)
        task = watched.reads.get(key)
        if task is None:
            task = watched.reads[key] = asyncio.create_task(self._read(watched, dict(cursor), limit))
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._forget(watched, key, done))
        return await asyncio.shield(task)

    async def _read(self, watched: Watched, cursor: Cursor, limit: int) -> Read:
        try:
            async with self._reading, asyncio.timeout(_READ_SECONDS):
                self.store_reads += 1
                rows = await self._lines.lines_after(watched.command_id, cursor, limit)
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time") from error
        now = self._clock()
        for row in rows:
            watched.attempt(row.attempt).settling.note(row.seq, now)
        lines = [line_of(row) for row in rows]
        shown, waiting = in_order(lines, cursor, lambda number: watched.attempt(number).settling.settled(now))
        some = list(first_bytes(shown))
        more = len(some) < len(shown) or (len(rows) >= limit and bool(some))
        return Read(page_of(some, cursor) if some else None, more, waiting)

    def _forget(self, watched: Watched, key: object, task: asyncio.Task[Read]) -> None:
        watched.reads.pop(key, None)
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, even when whoever asked has gone away

    def _look_at_told(self, watched: Watched) -> None:
        told, watched.told = watched.told, {}
        for attempt, last in told.items():
            watched.tell(attempt, last, self._clock())

    def _is_wanted(self, key: AttemptKey) -> bool:
        wanted = key.command_id in self._watched
        return wanted or any(namespace == key.namespace for namespace, _, _ in self._sightings.values())

    def _sight(self, key: AttemptKey, first_seq: int) -> None:
        for namespace, sighting, _ in tuple(self._sightings.values()):
            if namespace == key.namespace:
                sighting(key, first_seq)
