"""`/readyz`: whether this executor claims commands. One that does not is alive, and goes on with what it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

CLAIMING = "claiming"
NOT_CLAIMING = "not claiming: the executor's own Lease has not been renewed for a lease time"


@asynccontextmanager
async def serve_readiness(port: int, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Port 0: nobody asks."""

    async def readyz(_request: web.Request) -> web.Response:
        ready = is_ready()
        return web.Response(status=200 if ready else 503, text=CLAIMING if ready else NOT_CLAIMING)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        if port:
            await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the kubelet asks from outside of the pod
        yield
    finally:
        await runner.cleanup()
