"""The bridge put together from its settings. It only wires."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.gateway.bridge.claims import Claims
from bugcommand_operator.gateway.bridge.events import Events
from bugcommand_operator.gateway.bridge.keeping import KeptAsBugCommand, KeptAsRow
from bugcommand_operator.gateway.bridge.mirror import Mirror
from bugcommand_operator.gateway.bridge.posting import Posting, WriterAuth, room_for_requests, routes
from bugcommand_operator.gateway.bridge.repositories import Repositories
from bugcommand_operator.gateway.bridge.rows import Territory
from bugcommand_operator.gateway.bridge.sync import ClusterHandle, Sync
from bugcommand_operator.store.bridge_commands import BridgeCommands, open_engine
from bugcommand_operator.store.engine import is_sqlite
from bugcommand_operator.store.notifications import BRIDGE_CHANNEL, listen


@dataclass(frozen=True)
class BridgeConfig:
    database_url: str
    territory: Territory
    watched: Sequence[str] = ()
    """Namespaces; empty: all."""
    poll_seconds: float = 5.0


@dataclass(frozen=True)
class Bridge:
    """`run` is for ever; close it when that has been cancelled."""

    routes: list[Route]
    run: Callable[[], Coroutine[Any, Any, None]]
    engine: AsyncEngine | None = None

    async def close(self) -> None:
        if self.engine is not None:
            await self.engine.dispose()


def territory_of(
    machine_id: str,
    namespaces: Sequence[str] | Mapping[str, str],
    workspaces: Mapping[str, str],
    default_namespace: str,
) -> Territory:
    """`namespaces` are where commands may come to (none: anywhere), or the workspaces themselves."""
    if isinstance(namespaces, Mapping):
        workspaces, namespaces = {**namespaces, **workspaces}, ()
    known = {workspace.lower(): namespace for workspace, namespace in workspaces.items()}
    return Territory(machine_id, known, default_namespace, frozenset(namespaces))


def build_bridge(
    config: BridgeConfig, connect: Callable[[], Awaitable[Cluster]], auth: WriterAuth, registry: CollectorRegistry
) -> Bridge:
    cluster, events = ClusterHandle(connect), Events(registry)
    repositories = Repositories(events)
    if is_sqlite(config.database_url):
        kept = KeptAsBugCommand(cluster)
        posting = Posting(auth, cluster, repositories, config.territory, kept, room_for_requests())
        return Bridge(routes(posting), lambda: _repositories_only(cluster, repositories, config.watched))
    engine = open_engine(config.database_url)
    rows = BridgeCommands(engine, config.territory.machine_id)
    mirror = Mirror(rows, events)
    sync = Sync(
        rows=rows,
        cluster=cluster,
        repositories=repositories,
        claims=Claims(rows, cluster, repositories, config.territory, mirror.again),
        mirror=mirror,
        events=events,
        listen=lambda: listen(config.database_url, [BRIDGE_CHANNEL]),
        namespaces=config.watched,
        poll_seconds=config.poll_seconds,
    )
    posting = Posting(auth, cluster, repositories, config.territory, KeptAsRow(rows), room_for_requests())
    return Bridge(routes(posting), sync.run, engine)


async def _repositories_only(cluster: ClusterHandle, repositories: Repositories, watched: Sequence[str]) -> None:
    connected = await cluster.cluster()
    async with asyncio.TaskGroup() as group:
        for namespace in watched or (None,):
            group.create_task(repositories.follow(connected, namespace), name="bridge-repositories")
