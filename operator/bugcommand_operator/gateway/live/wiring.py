"""The live feed put together: its routes, what runs beside them, and what a commit has to call."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from starlette.routing import BaseRoute, Route, WebSocketRoute

from bugcommand_operator.gateway.live.access import Access
from bugcommand_operator.gateway.live.bridge_feed import BridgeFeed
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.listening import CHANNELS, Listener
from bugcommand_operator.gateway.live.realtime import Realtime
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.live.sse import EventStream
from bugcommand_operator.gateway.live.subscriptions import Sources
from bugcommand_operator.gateway.metrics import ReadCounter
from bugcommand_operator.gateway.readers import ReaderAuth
from bugcommand_operator.store.engine import is_sqlite
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogRow, LogSource, Owner, Progress
from bugcommand_operator.store.notifications import listen
from bugcommand_operator.store.reading import Filter, LogReader, RowQuery


@dataclass(frozen=True)
class StoreLines:
    """A `LineSource` over the store."""

    reader: LogReader
    logs: LogSource

    async def lines_after(self, command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        return await self.reader.lines_after(command_id, cursor, limit)

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]:
        return await self.logs.progress(command_ids)

    async def owners(self, command_ids: Collection[str]) -> Mapping[str, Owner]:
        return await self.reader.owners(command_ids)


@dataclass(frozen=True)
class StoreRows:
    """A `RowSource` over the store."""

    reader: LogReader

    async def row(self, row_id: str) -> Mapping[str, Any] | None:
        query = RowQuery(filters=(Filter("id", "eq", row_id),), limit=1, table="bridge_commands")
        rows = await self.reader.rows(query)
        return rows[0] if rows else None


class Live:
    """All of it for one gateway. `on_stored` is to be called after each commit, `run` to run while it serves."""

    def __init__(
        self,
        url: str,
        auth: ReaderAuth,
        reader: LogReader,
        logs: LogSource,
        metrics: CollectorRegistry,
        *,
        readers: int = 2000,
        readers_per_identity: int = 1000,
        ring_bytes: int = 32 << 20,
    ) -> None:
        lines = StoreLines(reader, logs)
        self._url = url
        self.feed = Feed(lines, ring_bytes=ring_bytes)
        self._access = Access(auth, lines)
        self._bridge = None if is_sqlite(url) else BridgeFeed(StoreRows(reader))
        self._slots = Slots(readers, readers_per_identity)
        _measure(metrics, self.feed, self._slots)

    def on_stored(self, batches: Sequence[LogBatch]) -> None:
        self.feed.announce(batches)

    def routes(self) -> list[BaseRoute]:
        stream = EventStream(self.feed, self._access, self._slots)
        realtime = Realtime(self._access, Sources(self.feed, self._bridge), self._slots)
        return [
            Route("/live/v1/spawn_logs", stream.get, methods=["GET"]),
            WebSocketRoute("/realtime/v1/websocket", realtime.connect),
        ]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.feed.run(), name="live-feed")
            if self._bridge is not None:
                group.create_task(self._listen(self._bridge), name="live-listener")

    async def _listen(self, bridge: BridgeFeed) -> None:
        async with aclosing(listen(self._url, CHANNELS)) as events:
            await Listener(self.feed, bridge, self._access).run(events)


def _measure(registry: CollectorRegistry, feed: Feed, slots: Slots) -> None:
    readers = Gauge("mentu_live_readers", "Live readers: event streams and subscriptions.", registry=registry)
    readers.set_function(lambda: slots.taken)
    ring = Gauge("mentu_live_ring_bytes", "Bytes of recent lines that are kept for live readers.", registry=registry)
    ring.set_function(lambda: feed.ring_bytes)
    reads = ReadCounter("mentu_live_store_reads", "Reads of the store for live readers.", lambda: feed.store_reads)
    registry.register(reads)
