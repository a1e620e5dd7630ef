"""The bridge put together from its settings. It only wires."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.gateway.bridge.background import Background
from bugcommand_operator.gateway.bridge.claims import Claims
from bugcommand_operator.gateway.bridge.events import Events
from bugcommand_operator.gateway.bridge.keeping import KeptAsBugCommand, KeptAsRow
from bugcommand_operator.gateway.bridge.mirror import Mirror
from bugcommand_operator.gateway.bridge.posting import Posting, WriterAuth, room_for_requests, routes
from bugcommand_operator.gateway.bridge.repositories import Repositories
from bugcommand_operator.gateway.bridge.rows import Territory
from bugcommand_operator.gateway.bridge.sync import ClusterHandle, Sync
from bugcommand_operator.store.bridge_commands import BridgeCommands
from bugcommand_operator.store.engine import is_sqlite, open_writer
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
    routes: list[Route]
    background: Background
    engine: AsyncEngine | None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.background.start()
        try:
            yield
        finally:
            await self.background.end()
            if self.engine is not None:
                await self.engine.dispose()


def territory_of(machine_id: str, namespaces: Mapping[str, str] | Sequence[str], default_namespace: str) -> Territory:
    """`namespaces` as the setting has it: workspace → namespace, or only the namespaces that commands may come to."""
    if isinstance(namespaces, Mapping):
        workspaces = {workspace.lower(): namespace for workspace, namespace in namespaces.items()}
        return Territory(machine_id, workspaces, default_namespace)
    return Territory(machine_id, {}, default_namespace, frozenset(namespaces))


def build_bridge(
    config: BridgeConfig, connect: Callable[[], Awaitable[Cluster]], auth: WriterAuth, registry: CollectorRegistry
) -> Bridge:
    cluster, events = ClusterHandle(connect), Events(registry)
    repositories = Repositories(events)
    if is_sqlite(config.database_url):
        background = Background(lambda: _repositories_only(cluster, repositories, config.watched))
        keeper, engine = KeptAsBugCommand(cluster), None
        posting = Posting(auth, cluster, repositories, config.territory, keeper, room_for_requests())
        return Bridge(routes(posting), background, engine)
    engine = open_writer(config.database_url, synchronous="FULL")  # of its own: logs must not wait for commands
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
    return Bridge(routes(posting), Background(sync.run), engine)


async def _repositories_only(cluster: ClusterHandle, repositories: Repositories, watched: Sequence[str]) -> None:
    from asyncio import TaskGroup

    connected = await cluster.cluster()
    async with TaskGroup() as group:
        for namespace in watched or (None,):
            group.create_task(repositories.follow(connected, namespace), name="bridge-repositories")
