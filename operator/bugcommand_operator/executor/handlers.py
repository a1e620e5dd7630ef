"""kopf handlers: they put what a watch shows into the world and name the command that it concerns. Nothing else. Most
of it comes here past kopf (`news.py`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import kopf
import structlog

from bugcommand_operator.api.names import GROUP, LABEL_COMMAND_UID, LABEL_MANAGED_BY, MANAGED_BY, VERSION
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.news import Hear
from bugcommand_operator.executor.resync import understood
from bugcommand_operator.executor.watches import Watches
from bugcommand_operator.executor.world import Key, Shelf, World, key_of

Raw = dict[str, Any]
Enqueue = Callable[[Key], None]
OURS = {LABEL_MANAGED_BY: MANAGED_BY}
log = structlog.get_logger()


def register(registry: kopf.OperatorRegistry, routes: Routes, watches: Watches) -> None:
    kopf.on.login(registry=registry, id="login")(partial(login, watches))
    kopf.on.event(GROUP, VERSION, "bugcommands", registry=registry, id="command")(routes.command)
    kopf.on.event(GROUP, VERSION, "repositories", registry=registry, id="repository")(routes.repository)
    kopf.on.event(GROUP, VERSION, "agents", registry=registry, id="agent")(routes.agent)
    kopf.on.event("v1", "pods", labels=OURS, registry=registry, id="pod")(routes.pod)
    kopf.on.event("v1", "persistentvolumeclaims", labels=OURS, registry=registry, id="volume")(routes.volume)


async def login(watches: Watches, **kwargs: Any) -> kopf.AiohttpSession | None:
    """kopf does not know `kubernetes.aio`, so it is told to read the service account or the kubeconfig itself."""
    info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
    return watches.session(info) if info else None


class Routes:
    def __init__(self, world: World, enqueue: Enqueue, call_up: Callable[[], None], enqueue_at_once: Enqueue) -> None:
        """`enqueue_at_once`: before whatever a burst of others has enqueued."""
        self._world = world
        self._enqueue = enqueue
        self._enqueue_at_once = enqueue_at_once
        self._call_up = call_up
        """Whatever a command does may have made room for those that wait."""

    async def command(self, event: kopf.RawEvent, **_: Any) -> None:
        obj = _shown(event, "BugCommand")
        if _is_deleted(event):
            self.hear_end_of_command(obj)
        else:
            self.hear_command(obj)

    def hear_end_of_command(self, obj: Raw) -> None:
        self._world.command_deleted(obj)
        self._call_up()

    def hear_command(self, obj: Raw) -> None:
        """As it is by now."""
        if not self._world.hear_command(obj):
            return
        command = self._world.commands.items.get(key_of(obj))
        somebody_waits = command is not None and command.is_asked_to_end
        (self._enqueue_at_once if somebody_waits else self._enqueue)(key_of(obj))
        self._call_up()

    async def repository(self, event: kopf.RawEvent, **_: Any) -> None:
        self._definition(event, "Repository", self._world.repositories, self._world.put_repository)

    async def agent(self, event: kopf.RawEvent, **_: Any) -> None:
        self._definition(event, "Agent", self._world.agents, self._world.put_agent)

    def _definition(self, event: kopf.RawEvent, kind: str, shelf: Shelf[Any], put: Callable[[Raw], None]) -> None:
        obj = _shown(event, kind)
        if _is_deleted(event):
            shelf.deleted(obj)
        else:
            understood(put, obj, kind)
        self._all_of_namespace(obj)

    async def pod(self, event: kopf.RawEvent, **_: Any) -> None:
        self._child(event, "Pod", self._world.pods, self.hear_pod)

    async def volume(self, event: kopf.RawEvent, **_: Any) -> None:
        self._child(event, "PersistentVolumeClaim", self._world.volumes, self.hear_volume)

    def _child(self, event: kopf.RawEvent, kind: str, shelf: Shelf[Any], hear: Callable[[Raw], None]) -> None:
        obj = _shown(event, kind)
        if _is_deleted(event):
            shelf.deleted(obj)
            self._command_of(obj)
        else:
            hear(obj)

    def hear_pod(self, obj: Raw) -> None:
        if self._world.hear_pod(obj):
            self._command_of(obj)

    def hear_volume(self, obj: Raw) -> None:
        if self._world.hear_volume(obj):
            self._command_of(obj)

    @property
    def past_kopf(self) -> dict[str, dict[str, Hear]]:
        """By kind and type of event (`news.py`)."""
        return {
            "BugCommand": {**_shows(self.hear_command), "DELETED": self.hear_end_of_command},
            "Pod": _shows(self.hear_pod),
            "PersistentVolumeClaim": _shows(self.hear_volume),
        }

    def _command_of(self, child: Raw) -> None:
        """A volume that several commands share, as the mirror is, concerns all that are not finished."""
        key = self._world.command_key_of(child)
        if key is not None:
            self._enqueue(key)
        elif LABEL_COMMAND_UID not in (child["metadata"].get("labels") or {}):
            self._all_of_namespace(child)

    def _all_of_namespace(self, obj: Raw) -> None:
        namespace = obj["metadata"]["namespace"]
        for command in list(self._world.commands.items.values()):
            if command.namespace == namespace and not command.is_finished:
                self._enqueue(command.key)


def _shows(hear: Hear) -> dict[str, Hear]:
    return {"ADDED": hear, "MODIFIED": hear}


def _shown(event: kopf.RawEvent, kind: str) -> Raw:
    metrics.LAST_EVENT.labels(kind).set_to_current_time()
    return dict(event["object"])


def _is_deleted(event: kopf.RawEvent) -> bool:
    return bool(event["type"] == "DELETED")
