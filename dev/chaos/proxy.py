"""A proxy in front of a real API server that does to requests and watches what networks and servers do.

`faults` is asked about each request; what it answers befalls it. Watches are streams: they can be stalled, delayed,
cut, or told that their version has expired. All of it at any time, from the same event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from dev.chaos.kubeconfig import Upstream, write_kubeconfig

_NOT_FORWARDED = frozenset({"host", "connection", "transfer-encoding", "content-length", "accept-encoding"})
_LONGEST_LINE = 4 << 20  # an object has at most 1.5 MiB
EXPIRED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "metadata": {}}


@dataclass(frozen=True)
class Asked:
    verb: str
    path: str
    body: bytes
    is_watch: bool

    @property
    def writes(self) -> bool:
        return self.verb != "GET"


@dataclass(frozen=True)
class Answer:
    """The server says no; nothing has happened."""

    status: int
    reason: str = ""


@dataclass(frozen=True)
class Drop:
    """The connection ends before the server has seen the request."""


@dataclass(frozen=True)
class LoseAnswer:
    """The server has done it, and the connection ends before it can say so."""


@dataclass(frozen=True)
class Hold:
    """The request goes on once this is set."""

    until: asyncio.Event


Fault = Answer | Drop | LoseAnswer | Hold


def no_fault(_asked: Asked) -> Fault | None:
    return None


@dataclass(eq=False)
class Watch:
    """One stream of changes on its way through."""

    flows: asyncio.Event = field(default_factory=asyncio.Event)
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    last_word: bytes = b""


class ApiProxy:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.faults: Callable[[Asked], Fault | None] = no_fault
        self.asked: list[Asked] = []
        self.is_away = False
        self.lag_seconds = 0.0
        """How much later than they happen changes are shown."""
        self.port = 0
        self._watches: set[Watch] = set()
        self._session: ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        connector = TCPConnector(ssl=self._upstream.tls if self._upstream.tls is not None else False, limit=0)
        endless = ClientTimeout(total=None)
        self._session = ClientSession(
            connector=connector, timeout=endless, auto_decompress=False, read_bufsize=_LONGEST_LINE
        )
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.cut_watches()
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self, folder: Path) -> str:
        return write_kubeconfig(folder / "kubeconfig", f"http://127.0.0.1:{self.port}")

    # --- what can be done to watches

    @property
    def watches(self) -> int:
        return len(self._watches)

    def stall_watches(self) -> None:
        """Those that are open stay so, without another word; new ones flow."""
        for watch in self._watches:
            watch.flows.clear()

    def cut_watches(self) -> None:
        for watch in self._watches:
            watch.ends.set()

    def expire_watches(self) -> None:
        for watch in self._watches:
            watch.last_word = json.dumps({"type": "ERROR", "object": EXPIRED}).encode() + b"\n"
            watch.ends.set()

    # --- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.method, request.path, body, request.query.get("watch") in {"1", "true"})
        self.asked.append(asked)
        fault = Drop() if self.is_away else self.faults(asked)
        if isinstance(fault, Answer):
            return _refusal(fault)
        if isinstance(fault, Drop):
            return _dropped(request)
        if isinstance(fault, Hold):
            await fault.until.wait()
        try:
            return await self._forward(request, asked, loses_answer=isinstance(fault, LoseAnswer))
        except (ClientError, OSError):
            return _dropped(request)

    async def _forward(self, request: web.Request, asked: Asked, *, loses_answer: bool) -> web.StreamResponse:
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_FORWARDED}
        url = self._upstream.url + request.path_qs
        sending = self._session.request(
            request.method, url, data=asked.body or None, headers={**headers, **self._upstream.headers}
        )
        async with sending as answer:
            if asked.is_watch and answer.status == 200:
                response = web.StreamResponse(headers={"Content-Type": "application/json"})
                await response.prepare(request)
                await self._stream(answer.content, response)
                return response
            content = await answer.read()
            if loses_answer:
                return _dropped(request)
            return web.Response(body=content, status=answer.status, headers=_kept(answer.headers))

    async def _stream(self, source: asyncio.StreamReader | object, response: web.StreamResponse) -> None:
        watch = Watch()
        watch.flows.set()
        self._watches.add(watch)
        copying = asyncio.create_task(self._copy(source, response, watch))
        ending = asyncio.create_task(watch.ends.wait())
        try:
            await asyncio.wait((copying, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watches.discard(watch)
            for task in (copying, ending):
                task.cancel()
            await asyncio.gather(copying, ending, return_exceptions=True)
        with contextlib.suppress(OSError):
            if watch.last_word:
                await response.write(watch.last_word)

    async def _copy(self, source: object, response: web.StreamResponse, watch: Watch) -> None:
        async for line in source:  # type: ignore[attr-defined]
            if self.lag_seconds:
                await asyncio.sleep(self.lag_seconds)
            await watch.flows.wait()
            await response.write(line)


def _refusal(fault: Answer) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": fault.reason, "code": fault.status}
    headers = {"Retry-After": "1"} if fault.status in {429, 503} else {}
    return web.json_response({**body, "message": "by the test"}, status=fault.status, headers=headers)


def _dropped(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _kept(headers: object) -> dict[str, str]:
    content_type = headers.get("Content-Type", "application/json")  # type: ignore[attr-defined]
    return {"Content-Type": content_type}
