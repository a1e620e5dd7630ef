"""`/healthz` and `/readyz` of the executor, answered by a thread of their own: a loop that is stuck cannot say so.

Not healthy is what only a restart repairs: the event loop does not turn, or no watch gives a sign of life. An API
server that is away makes an executor not ready, never unhealthy: starting anew would not bring it back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bugcommand_operator.executor.watches import Watches

STUCK_SECONDS = 30.0
SILENT_SECONDS = 430.0
"""Longer than a watch may last, plus the time to notice that it has stalled and to connect anew."""
BEAT_SECONDS = 1.0


class Health:
    def __init__(
        self,
        watches: Watches,
        clock: Callable[[], float] = time.monotonic,
        may_claim: Callable[[], bool] = lambda: True,
    ) -> None:
        self._watches = watches
        self._may_claim = may_claim
        self._clock = clock
        self._turned = clock()
        self.has_listed = False

    async def run(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def beat(self) -> None:
        self._turned = self._clock()

    def not_alive(self) -> str:
        """Why a restart is needed; empty when it is not."""
        stuck = self._clock() - self._turned
        if stuck > STUCK_SECONDS:
            return f"the event loop has not turned for {stuck:.0f} s"
        silent = self._watches.silent_seconds
        if self.has_listed and silent > SILENT_SECONDS:
            return f"no watch has given a sign of life for {silent:.0f} s"
        return ""

    def not_ready(self) -> str:
        if not self.has_listed:
            return "the first list is not done: the API server has not answered"
        failing = self._watches.failing
        if failing:
            return "; ".join(f"the watch of {kind}: {why}" for kind, why in sorted(failing.items()))
        if not self._may_claim():
            return "not claiming: the executor's own Lease has not been renewed for a lease time"
        return self.not_alive()


def serve(health: Health, port: int) -> ThreadingHTTPServer:
    """Until it is shut down; port 0 takes a free one."""
    pages = {"/healthz": health.not_alive, "/readyz": health.not_ready}

    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        """Who connects and asks nothing holds a thread no longer."""

        def do_GET(self) -> None:
            problem = pages.get(self.path)
            if problem is None:
                self._answer(HTTPStatus.NOT_FOUND, "only /healthz and /readyz are here")
            elif why := problem():
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, why)
            else:
                self._answer(HTTPStatus.OK, "ok")

        def _answer(self, status: HTTPStatus, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Probes are no news."""

    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104 - a pod has one network
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
