"""Every few minutes: finds what has outlived its BugCommand, and does what `core/sweeping.py` says of it.

Where to look comes from what the watches have shown; what is there, and whose command is gone, from the API server
alone. All is done over the version that was read, so any number of executors may sweep: one does it and tells of it.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from bugcommand_operator.api.names import LABEL_KEPT
from bugcommand_operator.cluster.errors import ClusterError, Conflict, NotFound
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.sweeping import GRACE, Child, Verdict, pod_child, told_of, verdict_on, volume_child
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.events import EventPoster
from bugcommand_operator.executor.resync import OURS
from bugcommand_operator.executor.world import World

log = structlog.get_logger()


class Sweeper:
    def __init__(self, kube: Kube, world: World, events: EventPoster, grace: timedelta = GRACE) -> None:
        self._kube = kube
        self._world = world
        self._events = events
        self._grace = grace

    async def once(self) -> None:
        for namespace in sorted(self._suspicious()):
            for child, verdict in await self._leaked(namespace):
                await self._settle(child, verdict)

    def _suspicious(self) -> set[str]:
        """Namespaces with a child of a command that we do not know: mostly none, and then nothing is asked."""
        world = self._world
        pods = {key[0] for key, pod in world.pods.items.items() if world.is_unknown(pod.command_uid)}
        volumes = world.volumes.items.items()
        return pods | {key[0] for key, v in volumes if world.is_unknown(v.command_uid) and not v.is_kept}

    async def _leaked(self, namespace: str) -> list[tuple[Child, Verdict]]:
        """Children before commands: those that are made meanwhile belong to a command that is listed."""
        children = [
            *map(pod_child, await self._kube.list("Pod", namespace, OURS)),
            *map(volume_child, await self._kube.list("PersistentVolumeClaim", namespace, OURS)),
        ]
        living = {obj["metadata"]["uid"] for obj in await self._kube.list("BugCommand", namespace)}
        now = self._kube.now()
        judged = ((child, verdict_on(child, living, now, self._grace)) for child in children if child is not None)
        return [(child, verdict) for child, verdict in judged if verdict is not Verdict.LEAVE]

    async def _settle(self, child: Child, verdict: Verdict) -> None:
        try:
            await (self._delete(child) if verdict is Verdict.DELETE else self._keep(child))
        except (Conflict, NotFound):
            return  # somebody else was faster, or it is in use: a later round looks again
        except ClusterError as error:
            log.warning("a leak was found and not dealt with", kind=child.kind, name=child.name, error=str(error))
            return
        metrics.SWEPT.labels(child.kind, verdict).inc()
        self._events.post_about(_reference(child), told_of(child, verdict))

    async def _delete(self, child: Child) -> None:
        await self._kube.delete(child.kind, child.namespace, child.name, child.uid, child.version)

    async def _keep(self, child: Child) -> None:
        meta = {"labels": {LABEL_KEPT: "true"}, "uid": child.uid, "resourceVersion": child.version}
        answer = await self._kube.patch(child.kind, child.namespace, child.name, {"metadata": meta})
        self._world.put_volume(answer)


def _reference(child: Child) -> dict[str, str]:
    return {
        "apiVersion": "v1",
        "kind": child.kind,
        "namespace": child.namespace,
        "name": child.name,
        "uid": child.uid,
        "resourceVersion": child.version,
    }
