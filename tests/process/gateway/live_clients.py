"""Gateways as processes with readers: tokens, a sender that repeats until it is acknowledged, readers that resume."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import httpx
import yaml
from realtime import AsyncRealtimeClient
from tests.process.gateway.process import COMMAND, Sender, batch
from tests.unit.gateway.live.serving import read_events

READER = "a-reader-of-team-a-0001"


def proxy_tokens(folder: Path) -> str:
    path = folder / "tokens.yaml"
    path.write_text(yaml.safe_dump([{"name": "reader", "token": READER, "namespace": "team-a"}]))
    return str(path)


async def send(port: int, first: int, last: int, *, size: int = 10, attempt: int = 1) -> None:
    """As the runner does: in order, each batch until it is acknowledged."""

    def send_all() -> None:
        sender = Sender(port, "good")
        for start in range(first, last + 1, size):
            body = batch(range(start, min(start + size, last + 1)), attempt)
            for _ in range(600):
                try:
                    if sender.send(body).status == 200:
                        break
                except (OSError, HTTPException):  # the second: killed in the middle of its answer
                    sender = Sender(port, "good")
                asyncio.run(asyncio.sleep(0.05))
            else:
                raise AssertionError("the gateway takes no lines")

    await asyncio.to_thread(send_all)


@dataclass
class Resuming:
    """A reader of events that connects again, from the last id, whenever it is cut off."""

    port: int
    found: list[tuple[int, int]] = field(default_factory=list)
    last_id: str = ""
    connections: int = 0

    async def read(self, count: int) -> None:
        while len(self.found) < count:
            self.connections += 1
            try:
                headers = {"Last-Event-ID": self.last_id}
                async with aclosing(read_events(self.port, COMMAND, READER, headers)) as events:
                    async for event in events:
                        self.found.append(event.place)
                        self.last_id = event.id
                        if len(self.found) >= count:
                            return
            except (httpx.HTTPError, AssertionError):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def subscribed(
    port: int, text: str | None = f"command_id=eq.{COMMAND}", table: str = "spawn_logs", event: Any = "*"
) -> AsyncIterator[list[dict[str, Any]]]:
    """Supabase's stock client, subscribed; gives the list that changes come into."""
    client = AsyncRealtimeClient(f"http://127.0.0.1:{port}/realtime/v1", READER)
    await client.connect()
    changes: list[dict[str, Any]] = []
    states: list[Any] = []
    channel = client.channel("room")
    heard: Callable[[Any], None] = lambda payload: changes.append(payload["data"])  # noqa: E731
    channel.on_postgres_changes(event, heard, table=table, schema="public", filter=text)
    await channel.subscribe(lambda state, error: states.append((state.value, str(error))))
    assert states == [("SUBSCRIBED", "None")]
    try:
        yield changes
    finally:
        await client.close()


def places(changes: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(change["record"]["attempt"], change["record"]["seq"]) for change in changes]


def metric(port: int, name: str) -> float:
    text = Sender(port, "").get("/metrics")[1]
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))
