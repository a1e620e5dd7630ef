"""The gateway process: settings, log format, server, and an orderly end."""

import asyncio
import signal
from types import FrameType

import structlog
import uvicorn

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.cluster.token_review import PodIdentity, TokenReviewer
from bugcommand_operator.gateway.app import build_app
from bugcommand_operator.gateway.auth import CachedAuthenticator
from bugcommand_operator.gateway.settings import GatewaySettings

_log = structlog.get_logger(__name__)


class ClusterAuthenticator:
    """Token reviews through a client that is connected in the background, so that listening need not wait for it."""

    def __init__(self, kubeconfig: str, audience: str) -> None:
        self._audience = audience
        self._cluster = asyncio.create_task(Cluster.connect(kubeconfig), name="connect-cluster")

    async def authenticate(self, token: str) -> PodIdentity:
        cluster = await asyncio.shield(self._cluster)
        return await TokenReviewer(cluster, self._audience).authenticate(token)

    async def close(self) -> None:
        cluster = await self._cluster
        await cluster.close()


def main() -> None:
    settings = GatewaySettings()
    set_up_logging(settings.log_format, settings.log_level)
    # uvicorn raises the signal that ended it once more when it is done; an orderly end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _ended)
    asyncio.run(serve(settings))


async def serve(settings: GatewaySettings) -> None:
    """Serve until told to end: then stop accepting, answer what was accepted, and close the store."""
    cluster = ClusterAuthenticator(settings.kubeconfig, settings.token_audience)
    config = uvicorn.Config(
        build_app(settings, CachedAuthenticator(cluster)),
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
    try:
        await uvicorn.Server(config).serve()
    finally:
        await cluster.close()


def _ended(signum: int, _frame: FrameType | None) -> None:
    _log.info("ended", signal=signal.Signals(signum).name)


if __name__ == "__main__":
    main()
