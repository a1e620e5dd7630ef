"""Lists everything: once before the first event, so that limits are counted over all there is; then now and again,
so that what a watch has missed (a deletion while it was away) is noticed all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from pydantic import ValidationError

from bugcommand_operator.api.names import LABEL_MANAGED_BY, MANAGED_BY
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.executor.world import Key, Shelf, World, key_of, version_of

Raw = dict[str, Any]
PAGE = 250
"""Objects in an answer to kopf's lists."""
OURS = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
EVERY_SECONDS = 300.0
log = structlog.get_logger()


class Resync:
    def __init__(self, kube: Kube, world: World, namespaces: list[str], enqueue: Callable[[Key], None]) -> None:
        self._kube = kube
        self._world = world
        self._namespaces: list[str | None] = [*namespaces] or [None]
        self._enqueue = enqueue

    async def once(self) -> None:
        """Definitions and children before commands: a command's first pass must not miss what is there."""
        world = self._world
        try:
            await self._fill("Repository", world.repositories, world.put_repository)
            await self._fill("Agent", world.agents, world.put_agent)
            await self._fill("Pod", world.pods, world.hear_pod, OURS)
            await self._fill("PersistentVolumeClaim", world.volumes, world.hear_volume, OURS)
            listed = await self._fill("BugCommand", world.commands, world.take_command, drop=world.drop_command)
            world.was_shown(listed)
        finally:  # a page that was taken in before another one failed is news to nobody else any more
            for key in list(world.commands.items):
                self._enqueue(key)

    async def _fill(
        self,
        kind: str,
        shelf: Shelf[Any],
        put: Callable[[Raw], Any],
        labels: str = "",
        drop: Callable[[Key], None] | None = None,
    ) -> dict[Key, int]:
        """What was listed, in which version."""
        before, listed = dict(shelf.versions), dict[Key, int]()
        for namespace in self._namespaces:
            async for page in self._kube.pages(kind, namespace, labels):
                for obj in page:
                    listed[key_of(obj)] = version_of(obj)
                    understood(put, obj, kind)
        for key, version in before.items():
            if key not in listed and shelf.versions.get(key) == version:  # else it was made anew meanwhile
                (drop or shelf.drop)(key)
        return listed


def understood(put: Callable[[Raw], Any], obj: Raw, kind: str) -> None:
    try:
        put(obj)
    except ValidationError as error:
        log.warning("object not understood", kind=kind, key="/".join(key_of(obj)), error=str(error))
