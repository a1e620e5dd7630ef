"""Changes of `bridge_commands`, as Postgres announces them: the row is read once, and shown to all who may see it.

The recent changes are kept, bounded; a reader holds its place among them. Whoever falls behind what is kept, and
everybody after the connection to Postgres was cut, is told that something may have been missed.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bugcommand_operator.gateway.live.namespaces import Interrupted
from bugcommand_operator.gateway.live.ports import RowSource
from bugcommand_operator.store.errors import StoreError

_log = structlog.get_logger(__name__)
_KEPT, _KEPT_CHARACTERS = 1000, 8 << 20
_EVENTS = {"insert": "INSERT", "update": "UPDATE"}


@dataclass(frozen=True, slots=True)
class Change:
    event: str
    record: Mapping[str, Any]
    size: int


class BridgeFeed:
    def __init__(self, rows: RowSource) -> None:
        self._rows = rows
        self._changes: deque[Change] = deque()
        self._size = 0
        self.place = 0  # of the next change
        self.wakes: dict[object, asyncio.Event] = {}

    async def notified(self, payload: str) -> None:
        """A row was written. Nothing is read when nobody listens."""
        if not self.wakes:
            return
        try:
            told = json.loads(payload)
            event, row_id = _EVENTS[str(told["op"]).lower()], str(told["id"])
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            _log.warning("a notification of a bridge command is not understood", payload=payload[:200])
            return
        try:
            record = await self._rows.row(row_id)
        except (StoreError, ValueError, RecursionError, OverflowError) as error:  # or its JSON is beyond all bounds
            _log.info("a bridge command cannot be read now", id=row_id[:200], error=str(error)[:500])
            self.interrupt()
            return
        if record is not None:
            self._add(Change(event, record, sum(len(str(value)) for value in record.values())))

    def interrupt(self) -> None:
        """Something may have been missed by all who listen now."""
        self.place += 1
        self._changes.clear()
        self._size = 0
        self._wake()

    def follow(self) -> "BridgeFollower":
        """From now on. To be closed."""
        return BridgeFollower(self)

    def since(self, place: int) -> Change | None:
        """The change at this place, None when there is none yet. Raises `Interrupted` when it is no longer kept."""
        first = self.place - len(self._changes)
        if place < first:
            raise Interrupted("changes of bridge_commands may have been missed")
        return self._changes[place - first] if place < self.place else None

    def _add(self, change: Change) -> None:
        self._changes.append(change)
        self.place += 1
        self._size += change.size
        while len(self._changes) > 1 and (len(self._changes) > _KEPT or self._size > _KEPT_CHARACTERS):
            self._size -= self._changes.popleft().size
        self._wake()

    def _wake(self) -> None:
        for woken in self.wakes.values():
            woken.set()


class BridgeFollower:
    def __init__(self, feed: BridgeFeed) -> None:
        self._feed, self._place = feed, feed.place
        self._woken = feed.wakes[self] = asyncio.Event()

    def close(self) -> None:
        self._feed.wakes.pop(self, None)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Never ends by itself. Raises `Interrupted`."""
        while True:
            self._woken.clear()
            while (change := self._feed.since(self._place)) is not None:
                yield change
                self._place += 1
            await self._woken.wait()
