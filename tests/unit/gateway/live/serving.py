"""The live routes over a real port, with a store in memory: what a client sees, without a database."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from tests.unit.gateway.live.fakes import KnownReaders, MemoryStore

from bugcommand_operator.gateway.live.access import Access
from bugcommand_operator.gateway.live.bridge_feed import BridgeFeed
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.realtime import Realtime
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.live.sse import EventStream
from bugcommand_operator.gateway.live.subscriptions import Sources
from bugcommand_operator.store.lines import LogBatch


@dataclass
class MemoryRows:
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def row(self, row_id: str) -> Mapping[str, Any] | None:
        return self.rows.get(row_id)


@dataclass
class Served:
    store: MemoryStore
    auth: KnownReaders
    feed: Feed
    slots: Slots
    rows: MemoryRows
    bridge: BridgeFeed
    port: int = 0

    @property
    def realtime_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/realtime/v1"

    def commit(self, batch: LogBatch) -> None:
        self.store.commit(batch)
        self.feed.announce([batch])

    async def until_readers(self, count: int) -> None:
        await until(lambda: self.feed.readers == count)


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for is in several places)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serve(slots: Slots | None = None) -> AsyncIterator[Served]:
    store, auth, rows = MemoryStore(), KnownReaders(), MemoryRows()
    feed, bridge = Feed(store, poll_seconds=0.5), BridgeFeed(rows)
    served = Served(store, auth, feed, slots or Slots(1000, 500), rows, bridge)
    access = Access(auth, store)
    routes = [
        Route("/live/v1/spawn_logs", EventStream(feed, access, served.slots).get),
        WebSocketRoute("/realtime/v1/websocket", Realtime(access, Sources(feed, bridge), served.slots).connect),
    ]
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    served.port = listening.getsockname()[1]
    config = uvicorn.Config(
        Starlette(routes=routes),
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(server._serve([listening])), asyncio.create_task(feed.run())]
    await until(lambda: server.started)
    try:
        yield served
    finally:
        server.should_exit = True
        await asyncio.wait_for(tasks[0], 20)
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        listening.close()


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: str

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self.data))

    @property
    def place(self) -> tuple[int, int]:
        return self.record["attempt"], self.record["seq"]


async def read_events(
    port: int, command_id: str, token: str = "a", headers: Mapping[str, str] | None = None, **query: str
) -> AsyncGenerator[Event, None]:
    """Server-sent events, as the standard says that they are to be read."""
    params = {"command_id": f"eq.{command_id}", **query}
    sent = {"Authorization": f"Bearer {token}", **(headers or {})}
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/live/v1/spawn_logs", params=params, headers=sent) as response,
    ):
        assert response.status_code == 200, await response.aread()
        last_id, name, data = "", "", list[str]()
        async for line in response.aiter_lines():
            key, _, value = line.partition(": ")
            if key == "id":
                last_id = value
            elif key == "event":
                name = value
            elif key == "data":
                data.append(value)
            elif not line and data:
                yield Event(last_id, name, "\n".join(data))
                name, data = "", []
