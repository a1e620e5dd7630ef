"""The Repositories of each namespace as they are now, followed by a watch, so that no command waits for a list."""

from collections.abc import Sequence
from contextlib import aclosing

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube, path_of
from bugcommand_operator.cluster.watch import Broken, Changed, Deleted, Listed, Raw, Streams, WatchEvent, watch
from bugcommand_operator.gateway.bridge.events import Error, Events
from bugcommand_operator.gateway.bridge.paths import KnownRepository, known_repository

Key = tuple[str, str]


class Repositories:
    def __init__(self, events: Events) -> None:
        self._events = events
        self._known: dict[Key, KnownRepository] = {}
        self._listed: set[str | None] = set()  # scopes whose watch is up to date

    async def follow(self, cluster: Streams, namespace: str | None) -> None:
        """Keep up with one namespace, or with all, for ever."""
        async with aclosing(watch(cluster, path_of("Repository", namespace))) as events:
            async for event in events:
                self._take(event, namespace)

    async def of(self, kube: Kube, namespace: str, *, fresh: bool = False) -> Sequence[KnownRepository]:
        """Raises a `ClusterError` when they are not known and cannot be read now."""
        if fresh or not self._listed & {None, namespace}:
            return [known_repository(obj) for obj in await kube.list("Repository", namespace)]
        return [found for (where, _), found in self._known.items() if where == namespace]

    def _take(self, event: WatchEvent, namespace: str | None) -> None:
        if isinstance(event, Listed):
            kept = {key: one for key, one in self._known.items() if namespace not in {None, key[0]}}
            self._known = {**kept, **{_key(obj): known_repository(obj) for obj in event.items}}
            self._listed.add(namespace)
        elif isinstance(event, Changed):
            self._known[_key(event.obj)] = known_repository(event.obj)
        elif isinstance(event, Deleted):
            self._known.pop(_key(event.obj), None)
        elif isinstance(event, Broken):
            self._listed.discard(namespace)  # nobody tells us any more: ask each time, until somebody does
            self._events.emit(Error("watching Repositories", _brief(event.error)))


def _key(obj: Raw) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _brief(error: ClusterError) -> str:
    return str(error)[:500]
