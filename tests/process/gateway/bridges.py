"""Bridges in this process: each with a database pool and an API server's client of its own, as two gateways have."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.process.gateway.fake_api import FakeApi

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.gateway.background import Background
from bugcommand_operator.gateway.bridge.rows import Territory
from bugcommand_operator.gateway.bridge.wiring import Bridge, BridgeConfig, build_bridge
from bugcommand_operator.gateway.readers import Reader

WORKSPACE = "0f0e0d0c-0000-4000-8000-000000000001"
NAMESPACE = "team-a"
TERRITORY = Territory("lab", {WORKSPACE: NAMESPACE})


class EverybodyMay:
    async def identify(self, token: str, client: str = "") -> Reader:
        return Reader(token or "somebody", frozenset({NAMESPACE}), None)

    async def may(self, reader: Reader, verb: str, namespace: str, repository: str) -> bool:
        return True


class Running:
    def __init__(self, bridge: Bridge, registry: CollectorRegistry) -> None:
        self.bridge, self._registry = bridge, registry
        self._background = Background([bridge.run])
        self._background.start()

    def events(self, kind: str) -> float:
        return self._registry.get_sample_value("mentu_bridge_events_total", {"type": kind}) or 0.0

    async def killed(self) -> None:
        """As if the process were gone: nothing is finished."""
        await self._background.close()


@asynccontextmanager
async def running_bridge(
    url: str, api: FakeApi, folder: Path, territory: Territory = TERRITORY, poll_seconds: float = 0.5
) -> AsyncIterator[Running]:
    registry = CollectorRegistry()
    async with await Cluster.connect(str(api.kubeconfig(folder))) as cluster:

        async def connect() -> Cluster:
            return cluster

        config = BridgeConfig(url, territory, poll_seconds=poll_seconds)
        running = Running(build_bridge(config, connect, EverybodyMay(), registry), registry)
        try:
            await until(lambda: running.events("Connected") > 0)
            yield running
        finally:
            await running.killed()
            await running.bridge.close()


class Table:
    """`bridge_commands`, as Mentu's other programs use it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def insert(self, **columns: Any) -> str:
        row = {"id": str(uuid.uuid4()), "workspace_id": WORKSPACE, "prompt": "Fix it.", **columns}
        names = ", ".join(row)
        places = ", ".join(f":{name}" for name in row)
        async with self.engine.begin() as connection:
            await connection.execute(text(f"INSERT INTO bridge_commands ({names}) VALUES ({places})"), row)
        return str(row["id"])

    async def update(self, command_id: str, **columns: Any) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        async with self.engine.begin() as connection:
            statement = text(f"UPDATE bridge_commands SET {changes} WHERE id = :id")
            await connection.execute(statement, {"id": command_id, **columns})

    async def row(self, command_id: str) -> dict[str, Any]:
        async with self.engine.begin() as connection:
            found = await connection.execute(text("SELECT * FROM bridge_commands WHERE id = :id"), {"id": command_id})
            return dict(found.mappings().one())

    async def rows(self) -> list[dict[str, Any]]:
        async with self.engine.begin() as connection:
            return [dict(row) for row in (await connection.execute(text("SELECT * FROM bridge_commands"))).mappings()]

    async def until(
        self, command_id: str, good: Callable[[dict[str, Any]], bool], seconds: float = 20
    ) -> dict[str, Any]:
        row: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while not good(row := await self.row(command_id)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {row}") from None
        return row


async def until(good: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = good()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s") from None
