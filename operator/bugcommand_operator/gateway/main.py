"""The gateway process: settings, log format, server, and an orderly end. `migrate` brings the database to the schema
of this version instead, and ends.
"""

import argparse
import asyncio
import gc
import signal
import time
from types import FrameType

import structlog
import uvicorn
import uvloop
from prometheus_client import disable_created_metrics
from starlette.applications import Starlette

from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.gateway.app import build_app
from bugcommand_operator.gateway.auth import CachedAuthenticator
from bugcommand_operator.gateway.cluster_link import ClusterLink
from bugcommand_operator.gateway.connections import ConnectionLimits, http_protocol, websocket_protocol
from bugcommand_operator.gateway.proxy_tokens import ProxyTokens
from bugcommand_operator.gateway.readers import Readers
from bugcommand_operator.gateway.settings import GatewaySettings
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.migrate import upgrade

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="mentu-gateway", description="The log gateway. Its settings are MENTU_….")
    words = {"serve": "serve until told to end", "migrate": "migrate the database, and end"}
    text = "; ".join(f"{word}: {meaning}" for word, meaning in words.items())
    parser.add_argument("command", nargs="?", choices=list(words), default="serve", help=text)
    command = parser.parse_args().command
    settings = GatewaySettings()
    set_up_logging(settings.log_format, settings.log_level)
    if command == "migrate":
        uvloop.run(migrate(settings.database_url, settings.migrate_wait_seconds))
        return
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # uvicorn raises the signal that ended it once more when it is done; an orderly end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _ended)
    _collect_garbage_less_often()
    uvloop.run(serve(settings))


async def migrate(url: str, wait_seconds: float) -> None:
    """Migrate, and until the time is up wait for a database that is away. Raises what it was in the end."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            await upgrade(url)
        except StoreUnavailable as error:
            if time.monotonic() + _RETRY_SECONDS > deadline:
                raise
            _log.warning("the database is away; trying again", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            _log.info("the database is migrated")
            return


async def serve(settings: GatewaySettings) -> None:
    """Serve until told to end: then stop accepting, answer what was accepted, and close the store."""
    link = ClusterLink(settings.kubeconfig, settings.token_audience, settings.namespaces)

    def end() -> None:
        server.should_exit = True

    readers = Readers(ProxyTokens(settings.proxy_tokens_file), link, link, namespaces=settings.namespaces)
    authenticator = CachedAuthenticator(link)
    app = build_app(settings, authenticator, readers, link, writers=readers, on_started=lambda: link.start(end))
    server = uvicorn.Server(server_config(app, settings))
    try:
        await server.serve()
    finally:
        await link.close()


def server_config(app: Starlette, settings: GatewaySettings) -> uvicorn.Config:
    limits = ConnectionLimits(settings.max_connections, settings.max_connections_per_client, settings.header_seconds)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http_protocol(limits),
        ws=websocket_protocol(limits),
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,  # it would compress each line anew for each of hundreds of readers
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
