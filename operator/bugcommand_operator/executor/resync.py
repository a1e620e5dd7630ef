"""Lists everything: once before the first event, so that limits are counted over all there is; then now and again,
so that what a watch has missed (a deletion while it was away) is noticed all the same; and where a watch is to begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from bugcommand_operator.api.names import LABEL_MANAGED_BY, MANAGED_BY
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.executor.world import Key, Shelf, World, key_of, version_of

Raw = dict[str, Any]
OURS = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
EVERY_SECONDS = 300.0
log = structlog.get_logger()


@dataclass(frozen=True)
class _Kind:
    shelf: Shelf[Any]
    take: Callable[[Raw], Any]
    drop: Callable[[Key], None]
    labels: str = ""


class Resync:
    def __init__(self, kube: Kube, world: World, namespaces: list[str], enqueue: Callable[[Key], None]) -> None:
        self._kube = kube
        self._world = world
        self._namespaces: list[str | None] = [*namespaces] or [None]
        self._enqueue = enqueue
        self._kinds = {  # definitions and children before commands: a first pass must not miss what is there
            "Repository": _Kind(world.repositories, world.put_repository, world.repositories.drop),
            "Agent": _Kind(world.agents, world.put_agent, world.agents.drop),
            "Pod": _Kind(world.pods, world.hear_pod, world.pods.drop, OURS),
            "PersistentVolumeClaim": _Kind(world.volumes, world.hear_volume, world.volumes.drop, OURS),
            "BugCommand": _Kind(world.commands, world.take_command, world.drop_command),
        }
        self._listed: dict[tuple[str, str | None], str] = {}
        """Of which version each list is that no watch has begun from."""

    async def once(self) -> None:
        await self._list(self._kinds, self._namespaces)

    async def watched_from(self, kind: str, namespace: str | None) -> str:
        """The version from which on a watch shows all that is not known yet. A watch that begins anew has missed
        something, so then all of its kind is listed first. Raises ClusterError."""
        if (kind, namespace) not in self._listed:
            await self._list([kind], [namespace])
        return self._listed.pop((kind, namespace))

    async def _list(self, kinds: Iterable[str], namespaces: list[str | None]) -> None:
        try:
            for kind in kinds:
                shown = [await self._fill(kind, self._kinds[kind], namespace) for namespace in namespaces]
                if kind == "BugCommand":
                    self._world.was_shown({key: version for each in shown for key, version in each.items()})
        finally:  # a page that was taken in before another one failed is news to nobody else any more
            for key in list(self._world.commands.items):
                self._enqueue(key)

    async def _fill(self, name: str, kind: _Kind, namespace: str | None) -> dict[Key, int]:
        """What was listed, in which version."""
        shelf, listed = kind.shelf, dict[Key, int]()
        before = {key: version for key, version in shelf.versions.items() if namespace in {None, key[0]}}
        version = ""
        async for page in self._kube.pages(name, namespace, kind.labels):
            version = page.version
            for obj in page.items:
                listed[key_of(obj)] = version_of(obj)
                understood(kind.take, obj, name)
        self._listed[name, namespace] = version
        for key, version in before.items():
            if key not in listed and shelf.versions.get(key) == version:  # else it was made anew meanwhile
                kind.drop(key)
        return listed


def understood(put: Callable[[Raw], Any], obj: Raw, kind: str) -> None:
    try:
        put(obj)
    except ValidationError as error:
        log.warning("object not understood", kind=kind, key="/".join(key_of(obj)), error=str(error))
