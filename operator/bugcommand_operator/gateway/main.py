"""The gateway process: settings, log format, server, and an orderly end."""

import asyncio
import gc
import signal
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn
import uvloop
from prometheus_client import disable_created_metrics
from starlette.applications import Starlette

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.cluster.token_review import IdentityUnavailable, PodIdentity, TokenReviewer
from bugcommand_operator.gateway.app import build_app
from bugcommand_operator.gateway.auth import CachedAuthenticator
from bugcommand_operator.gateway.settings import GatewaySettings

_log = structlog.get_logger(__name__)


class ClusterAuthenticator:
    """Token reviews through a client that is loaded and connected in the background, once the gateway listens: the
    client's import alone takes as long as all the rest of the start."""

    def __init__(self, kubeconfig: str, audience: str) -> None:
        self._kubeconfig, self._audience = kubeconfig, audience
        self._connecting: asyncio.Task[Cluster] | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        self._connecting = asyncio.create_task(Cluster.connect(self._kubeconfig), name="connect-cluster")
        self._connecting.add_done_callback(lambda task: on_failure() if task.exception() else None)

    async def authenticate(self, token: str) -> PodIdentity:
        if self._connecting is None:
            raise IdentityUnavailable("the gateway is starting")
        cluster = await asyncio.shield(self._connecting)
        return await TokenReviewer(cluster, self._audience).authenticate(token)

    async def close(self) -> None:
        """Ends the connection. Raises what kept it from being made, which is a mistake in the configuration."""
        if self._connecting is not None:
            await (await self._connecting).close()


def main() -> None:
    settings = GatewaySettings()
    set_up_logging(settings.log_format, settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # uvicorn raises the signal that ended it once more when it is done; an orderly end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _ended)
    _collect_garbage_less_often()
    uvloop.run(serve(settings))


async def serve(settings: GatewaySettings) -> None:
    """Serve until told to end: then stop accepting, answer what was accepted, and close the store."""
    cluster = ClusterAuthenticator(settings.kubeconfig, settings.token_audience)

    def end() -> None:
        server.should_exit = True

    app = build_app(settings, CachedAuthenticator(cluster), on_started=lambda: cluster.start(end))
    server = uvicorn.Server(server_config(app, settings))
    try:
        await server.serve()
    finally:
        await cluster.close()


def server_config(app: Starlette, settings: GatewaySettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


def _collect_garbage_less_often() -> None:
    """A batch is thousands of small objects that live for moments and hold no cycles. Left alone, the collector
    walks through all modules for every few of them, which costs more than checking the lines."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _ended(signum: int, _frame: FrameType | None) -> None:
    _log.info("ended", signal=signal.Signals(signum).name)


if __name__ == "__main__":
    main()
