"""Lists everything: once before the first event, so that limits are counted over all there is; then now and again,
so that what a watch has missed (a deletion while it was away) is noticed all the same; and before a watch begins anew.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from bugcommand_operator.api.names import LABEL_MANAGED_BY, MANAGED_BY
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.world import Key, Shelf, World, key_of, version_number, version_of

Raw = dict[str, Any]
Place = tuple[str, str | None]
"""A kind and a namespace; None: all of them."""
OURS = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
EVERY_SECONDS = 300.0
log = structlog.get_logger()


@dataclass(frozen=True)
class _Kind:
    shelf: Shelf[Any]
    take: Callable[[Raw], Any]
    drop: Callable[[Key], None]
    labels: str = ""
    fields_at_first: str = ""
    unreadable: Mapping[Key, str] = field(default_factory=dict)


class Resync:
    def __init__(self, kube: Kube, world: World, namespaces: list[str], enqueue: Callable[[Key], None]) -> None:
        self._kube = kube
        self._world = world
        self._namespaces: list[str | None] = [*namespaces] or [None]
        self._enqueue = enqueue
        self._kinds = {  # definitions and children before commands: a first pass must not miss what is there
            "Repository": _Kind(world.repositories, world.put_repository, world.repositories.drop),
            "Agent": _Kind(world.agents, world.put_agent, world.agents.drop),
            "Pod": _Kind(world.pods, world.hear_pod, world.pods.drop, OURS, NOT_ENDED),
            "PersistentVolumeClaim": _Kind(world.volumes, world.hear_volume, world.volumes.drop, OURS),
            "BugCommand": _Kind(
                world.commands, world.take_command, world.command_is_missing, unreadable=world.unreadable
            ),
        }
        self._one_at_a_time = asyncio.Lock()
        self._unwatched: dict[Place, str] = {}
        """Of which version the first list of each is, until a watch begins from there."""

    async def first(self) -> None:
        """All kinds at once: nothing is looked at before all are there. But for pods that have ended, two for each
        command that has: most are of no use any more, one that is needed is asked for (`core/pods_in_question.py`)."""
        places = [(kind, namespace) for kind in self._kinds for namespace in self._namespaces]
        shown: dict[str, dict[Key, int]] = {kind: {} for kind in self._kinds}
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    (kind, namespace): group.create_task(
                        self._fill(kind, namespace, shown[kind], self._kinds[kind].fields_at_first)
                    )
                    for kind, namespace in places
                }
        except* ClusterError as errors:
            raise errors.exceptions[0] from None
        self._world.was_shown(shown["BugCommand"])
        self._unwatched = {place: task.result() for place, task in tasks.items()}
        self._wake(self._namespaces)

    async def once(self) -> None:
        await self._list(self._kinds, self._namespaces)

    async def watched_from(self, kind: str, namespace: str | None) -> str:
        """The version from which on a watch shows all that is not known yet. One that begins anew has missed something,
        so all of its kind is listed before. Raises ClusterError."""
        place = kind, namespace
        version = self._unwatched.pop(place, None) or (await self._list([kind], [namespace]))[place]
        metrics.LAST_EVENT.labels(kind).set_to_current_time()
        return version

    async def _list(self, kinds: Iterable[str], namespaces: list[str | None]) -> dict[Place, str]:
        """Of which version each list is."""
        versions: dict[Place, str] = {}
        shown: dict[str, dict[Key, int]] = defaultdict(dict)
        async with self._one_at_a_time:
            try:
                for kind in kinds:
                    for namespace in namespaces:
                        versions[kind, namespace] = await self._fill(kind, namespace, shown[kind])
                    if kind == "BugCommand":
                        self._world.was_shown(shown[kind])
            finally:  # a page that was taken in before another one failed is news to nobody else any more
                if versions or any(shown.values()):
                    self._wake(namespaces)
        return versions

    def _wake(self, namespaces: list[str | None]) -> None:
        for key in list(self._world.commands.items):
            if None in namespaces or key[0] in namespaces:
                self._enqueue(key)

    async def _fill(self, name: str, namespace: str | None, shown: dict[Key, int], fields: str = "") -> str:
        kind, version = self._kinds[name], ""
        unreadable = list(kind.unreadable)
        async for page in self._kube.pages(name, namespace, kind.labels, fields):
            version = page.version
            for obj in page.items:
                shown[key_of(obj)] = version_of(obj)
                understood(kind.take, obj, name)
        as_of = version_number(version)
        for key in [*kind.shelf.versions, *unreadable]:
            was_there = namespace in {None, key[0]} and kind.shelf.versions.get(key, 0) <= as_of
            if was_there and key not in shown:
                kind.drop(key)
        return version


def understood(put: Callable[[Raw], Any], obj: Raw, kind: str) -> None:
    try:
        put(obj)
    except Exception as error:  # noqa: BLE001 - one object that does not read must not hide the others
        told = f"{type(error).__name__}: {error}"
        log.warning("object not understood", kind=kind, key="/".join(key_of(obj)), error=told)
