"""The routes, and what lives as long as they do. It only wires: each route's work is a module of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bugcommand_operator.gateway import approvals, openapi, rest
from bugcommand_operator.gateway.admission import Admission
from bugcommand_operator.gateway.approvals import Approvals
from bugcommand_operator.gateway.auth import Authenticator
from bugcommand_operator.gateway.background import Background, jobs_of
from bugcommand_operator.gateway.bridge.posting import WriterAuth
from bugcommand_operator.gateway.bridge.sync import ClusterHandle
from bugcommand_operator.gateway.bridge.wiring import Bridge, BridgeConfig, build_bridge, territory_of
from bugcommand_operator.gateway.cluster_link import ClusterLink
from bugcommand_operator.gateway.intake import Intake
from bugcommand_operator.gateway.live.wiring import Live
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.readers import ReaderAuth
from bugcommand_operator.gateway.readiness import Readiness
from bugcommand_operator.gateway.recordings import RecordingIntake
from bugcommand_operator.gateway.retention import retention_policy
from bugcommand_operator.gateway.settings import GatewaySettings
from bugcommand_operator.gateway.writer import BatchWriter
from bugcommand_operator.store.engine import is_sqlite, open_reader, open_writer
from bugcommand_operator.store.pages import PageReader
from bugcommand_operator.store.reading import LogReader
from bugcommand_operator.store.recordings import Recordings
from bugcommand_operator.store.retention import RetentionPolicy
from bugcommand_operator.store.spawn_logs import SpawnLogs


def build_app(
    settings: GatewaySettings,
    authenticator: Authenticator,
    readers: ReaderAuth,
    cluster: ClusterLink | None = None,
    writers: WriterAuth | None = None,
    on_started: Callable[[], object] = lambda: None,
) -> Starlette:
    """The whole gateway as an ASGI application; its lifespan opens and closes the store."""
    url = settings.database_url
    engine = open_writer(url, synchronous=settings.sqlite_synchronous, lock_wait_seconds=settings.lock_wait_seconds)
    reading = open_reader(url, lock_wait_seconds=settings.lock_wait_seconds)
    metrics = Metrics()
    store = SpawnLogs(engine, cap=settings.attempt_bytes)
    logs = LogReader(reading)
    live = Live(url, readers, logs, SpawnLogs(reading), metrics.registry)
    writer = BatchWriter(store, metrics, commit_lines=settings.commit_lines, on_stored=live.on_stored)
    admission = Admission(settings.pending_bytes, settings.pending_bytes_per_pod, metrics.pending_bytes.set)
    readiness = Readiness(engine, migrate=is_sqlite(url))
    bridge = _bridge(settings, cluster, writers, metrics)
    runs = [job.run for job in jobs_of(engine, metrics, _retention(settings, cluster))]
    background = Background([*runs, live.run, *([bridge.run] if bridge else [])])

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await readiness.problem()  # the first attempt to migrate; probes repeat it
        writer.start()
        on_started()
        background.start()
        try:
            yield
        finally:
            await background.close()
            if bridge:
                await bridge.close()
            await writer.close()
            await store.close()
            await readiness.close()
            await reading.dispose()
            await engine.dispose()

    intake = Intake(authenticator, admission, writer, metrics)
    recordings = RecordingIntake(intake, Recordings(engine))
    routes = [
        *_routes(intake, readiness, background),
        Route("/intake/v1/recordings", recordings.post, methods=["POST"]),
        *rest.routes(readers, logs, PageReader(reading, logs), metrics),
        *live.routes(),
        *(bridge.routes if bridge else []),
        *(approvals.routes(Approvals(writers, ClusterHandle(cluster.cluster))) if cluster and writers else []),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _retention(
    settings: GatewaySettings, cluster: ClusterLink | None
) -> Callable[[], Awaitable[RetentionPolicy]] | None:
    if cluster is None:
        return None
    return lambda: retention_policy(cluster, settings.namespaces, settings.retention_days)


def _bridge(
    settings: GatewaySettings, cluster: ClusterLink | None, writers: WriterAuth | None, metrics: Metrics
) -> Bridge | None:
    if not settings.bridge_enabled or cluster is None or writers is None:
        return None
    territory = territory_of(
        settings.machine_id,
        settings.bridge_namespaces or settings.namespaces,
        settings.bridge_workspaces,
        settings.bridge_default_namespace,
    )
    watched = sorted(territory.namespaces) or settings.namespaces
    config = BridgeConfig(settings.database_url, territory, watched, settings.bridge_poll_seconds)
    return build_bridge(config, cluster.cluster, writers, metrics.registry)


def _routes(intake: Intake, readiness: Readiness, background: Background) -> list[BaseRoute]:
    async def healthz(_request: Request) -> Response:
        """Alive: the tasks whose end only a restart repairs are running."""
        if not intake.writer.alive:
            return PlainTextResponse("the writer has ended", 500)
        return PlainTextResponse("ok") if background.alive else PlainTextResponse("a background task has ended", 500)

    async def readyz(_request: Request) -> Response:
        problem = await readiness.problem()
        intake.metrics.store_up.set(1 if problem is None and intake.writer.store_is_up else 0)
        if problem:
            return JSONResponse({"reason": "NotReady", "message": problem}, 503)
        return PlainTextResponse("ok")

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(intake.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/intake/v1/logs", intake.post_logs, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi.endpoint),
    ]
