"""Jobs that make the same pods as commands do, on the same pretended nodes: P2's peer, and what the scale run measures
the machine by. Each has a volume of its own, too, which Kubernetes makes for its pod.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dev.scale import pretended

from bench import many, objects
from bench.census import Census, Watching
from bench.kube import Api, Raw
from bench.namespaces import fresh_namespace
from bench.pretending import FOR_EVER, command, commands_path, pretending
from bench.subject import Subject, executor_subject
from bench.wait import until

ON_NODES_SECONDS = 400.0
CLIENT = 32
"""Requests that the benchmark has under way."""


class Place:
    """A namespace that bursts are made in, and emptied after each."""

    def __init__(self, api: Api, namespace: str, path: str, census: Census, make: Callable[[str], Raw]) -> None:
        self._api = api
        self._namespace = namespace
        self._path = path
        self._census = census
        self._make = make
        self._numbers = itertools.count()

    async def burst(self, size: int) -> float:
        """Seconds; what was made is there until it is cleared."""
        before = len(self._census.on_node)
        began = time.perf_counter()
        await many.for_each(self._manifests(size), functools.partial(self._api.post, self._path), CLIENT)

        async def on_nodes() -> bool:
            return len(self._census.on_node) >= before + size

        await until(f"{size} pods on nodes", on_nodes, ON_NODES_SECONDS, every=0.01)
        return time.perf_counter() - began

    async def clear(self) -> None:
        await many.empty(self._api, self._namespace)

    def _manifests(self, size: int) -> Iterator[Raw]:
        return (self._make(f"burst-{next(self._numbers)}") for _ in range(size))


class Places(NamedTuple):
    ours: Place
    jobs: Place
    subject: Subject


@asynccontextmanager
async def places(api: Api, folder: Path, name: str, limit: int) -> AsyncIterator[Places]:
    """Where commands are made and where Jobs are, both warm: one of each has been there."""
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(pretending(api, name))
        theirs = await stack.enter_async_context(fresh_namespace(api, f"{name}-jobs"))
        counts = [await stack.enter_async_context(Watching(api, each)) for each in (mine, theirs)]
        subject = await stack.enter_async_context(executor_subject(folder, mine, limit))
        ours = Place(api, mine, commands_path(mine), counts[0], lambda name: command(name, FOR_EVER))
        pod_spec = await _warm_up(api, ours, mine)
        jobs_path = f"/apis/batch/v1/namespaces/{theirs}/jobs"
        jobs = Place(api, theirs, jobs_path, counts[1], lambda name: objects.job(name, pod_spec))
        await jobs.burst(1)
        await jobs.clear()
        yield Places(ours, jobs, subject)


async def jobs_a_second(api: Api, folder: Path, name: str, size: int) -> float:
    """That this machine makes, from the first request to the last pod on a node. All of it is gone afterwards."""
    async with places(api, folder, name, limit=size) as (_, jobs, _):
        took = await jobs.burst(size)
        await jobs.clear()
    return size / took


async def _warm_up(api: Api, ours: Place, namespace: str) -> Raw:
    """A first command makes the mirror's volume. Its pod's spec is what the Jobs make, too."""
    name = "first"
    await api.post(commands_path(namespace), command(name, FOR_EVER))
    pods = f"/api/v1/namespaces/{namespace}/pods"

    async def made() -> bool:
        return bool(await api.items(pods))

    await until("a first pod", made, 60)
    pod = (await api.items(pods))[0]
    await ours.clear()
    return job_pod(pod)


def job_pod(pod: Raw) -> Raw:
    """The same pod, its claims made for it alone: a Job names no claims of its own."""
    spec = objects.same_pod(pod)
    volumes = [_own(volume) if "persistentVolumeClaim" in volume else volume for volume in spec["volumes"]]
    return {**spec, "volumes": volumes, "tolerations": [pretended.TOLERATION]}


def _own(volume: Raw) -> Raw:
    if volume["name"] == "mirror":  # shared: one for all, so that it costs a Job nothing either
        return {"name": volume["name"], "emptyDir": {}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": pretended.STORAGE_CLASS,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"name": volume["name"], "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
