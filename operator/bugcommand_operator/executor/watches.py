"""What kopf's watches hear comes through here: only what is news (`news.py`), after no list (`kopf_lists.py`), and with
signs of life, told by the HTTP requests that they make: that one was tried, that it was answered.

Events alone say little: where nothing happens none come. A watch is opened anew every five minutes at the latest, so
one that has not even tried for longer is stuck.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import aiohttp
import kopf

from bugcommand_operator.cluster.errors import is_unavailable
from bugcommand_operator.cluster.reach import Reach
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.kopf_lists import NothingButVersion, WatchedFrom, namespace_in
from bugcommand_operator.executor.news import News, OnlyNews

KINDS = {
    "bugcommands": "BugCommand",
    "repositories": "Repository",
    "agents": "Agent",
    "pods": "Pod",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}


@dataclass
class Watch:
    last_sign: float
    failing: str = "not opened yet"


class Watches:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        news: News | None = None,
        watched_from: WatchedFrom | None = None,
        reach: Reach | None = None,
    ) -> None:
        """Without them all goes on to kopf as it comes. `reach` is told of kopf's requests: an executor with nothing to
        do makes hardly any others."""
        self._reach = reach or Reach(lambda: datetime.now(UTC))
        self._clock = clock
        self._news = news
        self._watched_from = watched_from
        self._by_kind = {kind: Watch(clock()) for kind in KINDS.values()}
        for kind in KINDS.values():
            metrics.LAST_ANSWER.labels(kind).set_to_current_time()

    def tried(self, kind: str) -> None:
        self._by_kind[kind].last_sign = self._clock()

    def answered(self, kind: str, status: int = 200) -> None:
        if status >= 400:
            self.failed(kind, f"answered with status {status}")
            return
        self.tried(kind)
        self._by_kind[kind].failing = ""
        metrics.LAST_ANSWER.labels(kind).set_to_current_time()

    def failed(self, kind: str, why: str) -> None:
        self.tried(kind)
        self._by_kind[kind].failing = why

    @property
    def silent_seconds(self) -> float:
        """Since any of them gave a sign of life."""
        return self._clock() - max(watch.last_sign for watch in self._by_kind.values())

    @property
    def failing(self) -> dict[str, str]:
        return {kind: watch.failing for kind, watch in self._by_kind.items() if watch.failing}

    def session(self, info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        """As kopf makes one itself, but listened to."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            trace_configs=[self._listener()],
        )
        return kopf.AiohttpSession(
            server=info.server,
            priority=info.priority,
            default_namespace=info.default_namespace,
            expiration=info.expiration,
            aiohttp_session=session,
        )

    def _listener(self) -> aiohttp.TraceConfig:
        listener = aiohttp.TraceConfig()
        listener.on_request_start.append(self._on_start)
        listener.on_request_end.append(self._on_end)
        listener.on_request_exception.append(self._on_exception)
        return listener

    async def _on_start(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, told: aiohttp.TraceRequestStartParams
    ) -> None:
        context.asked = self._reach.clock()
        if kind := KINDS.get(told.url.name):
            self.tried(kind)

    async def _on_end(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        kind = KINDS.get(told.url.name)
        if kind is None:
            return
        if is_unavailable(told.response.status):
            self._reach.failed(context.asked, writes=False)
        else:
            self._reach.answered(writes=False)
        if told.response.status != 200:
            self.answered(kind, told.response.status)
        elif "watch" in told.url.query:
            self.answered(kind)
            if self._news is not None:
                told.response.content = cast(aiohttp.StreamReader, OnlyNews(told.response.content, kind, self._news))
        elif self._watched_from is not None:  # it is answered once all is listed
            self.tried(kind)
            body, namespace = told.response.content, namespace_in(told.url.parts)
            listed = NothingButVersion(body, kind, namespace, self._watched_from, self)
            told.response.content = cast(aiohttp.StreamReader, listed)

    async def _on_exception(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, told: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if kind := KINDS.get(told.url.name):
            self._reach.failed(context.asked, writes=False)
            self.failed(kind, str(told.exception) or type(told.exception).__name__)
