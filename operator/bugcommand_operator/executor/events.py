"""Kubernetes Events about a command, or what is left of one. Posted in the background: to lose one costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from bugcommand_operator.api.names import API_VERSION, MANAGED_BY
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.plan import Event

MOST_WAITING = 5000
LONGEST_PAUSE, PAUSE = 30.0, 0.25
Reference = dict[str, str]
"""To an object: apiVersion, kind, namespace, name, uid, resourceVersion."""
log = structlog.get_logger()


class EventPoster:
    def __init__(self, kube: Kube, instance: str, others_go_first: Callable[[], bool] = lambda: False) -> None:
        """While others go first, nothing is posted, for at most `LONGEST_PAUSE` seconds at a time."""
        self._kube = kube
        self._instance = instance
        self._others_go_first = others_go_first
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)

    def post(self, command: Command, event: Event) -> None:
        self.post_about(reference_to(command), event)

    def post_about(self, about: Reference, event: Event) -> None:
        log.info("event", key=f"{about['namespace']}/{about['name']}", reason=event.reason, message=event.message)
        try:
            self._waiting.put_nowait(event_manifest(about, event, self._instance, datetime.now(UTC)))
        except asyncio.QueueFull:
            log.warning("event dropped: too many are waiting", reason=event.reason)

    async def run(self) -> None:
        while True:
            manifest = await self._waiting.get()
            await self._let_others_go_first()
            try:
                await self._kube.create(manifest)
            except ClusterError as error:
                log.warning("event not posted", reason=manifest["reason"], error=str(error))

    async def _let_others_go_first(self) -> None:
        until = asyncio.get_running_loop().time() + LONGEST_PAUSE
        while self._others_go_first() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(PAUSE)


def reference_to(command: Command) -> Reference:
    return {
        "apiVersion": API_VERSION,
        "kind": "BugCommand",
        "namespace": command.namespace,
        "name": command.name,
        "uid": command.uid,
        "resourceVersion": command.resource_version,
    }


def event_manifest(about: Reference, event: Event, instance: str, now: datetime) -> dict[str, Any]:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": about["namespace"], "name": f"{about['name']}.{int(now.timestamp() * 1e6):x}"},
        "involvedObject": about,
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:1024],
        "source": {"component": MANAGED_BY, "host": instance},
        "reportingComponent": f"{MANAGED_BY}/executor",
        "reportingInstance": instance,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
