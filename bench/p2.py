"""P2: bursts of commands, from the first request to the moment when the last one's pod has a node.

The peer makes the same pods on the same pretended nodes by Jobs; each has a volume of its own, too, which Kubernetes
makes for its pod.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from dev.scale import pretended

from bench import kwok, many, objects, outcome, rounds
from bench.census import Census, Watching
from bench.kube import Api, Raw
from bench.namespaces import fresh_namespace
from bench.outcome import Case, Row
from bench.pretending import FOR_EVER, command, commands_path, pretending
from bench.rounds import Tick
from bench.subject import Subject, executor_subject
from bench.wait import until

SIZES = {500: 5, 2000: 4}
"""And how many rounds of each."""

ROUNDS = sum(SIZES.values())
LONGEST_SECONDS = 900
ON_NODES_SECONDS = 400.0
OURS, JOB = "operator", "Job, limits raised"
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


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kwok.pretended_nodes(api, folder))
        mine = await stack.enter_async_context(pretending(api, "mentu-bench-burst"))
        theirs = await stack.enter_async_context(fresh_namespace(api, "mentu-bench-burst-jobs"))
        counts = [await stack.enter_async_context(Watching(api, name)) for name in (mine, theirs)]
        subject = await stack.enter_async_context(executor_subject(folder, mine, 2 * max(SIZES)))
        ours = Place(api, mine, commands_path(mine), counts[0], lambda name: command(name, FOR_EVER))
        pod_spec = await _warm_up(api, ours, mine)
        jobs_path = f"/apis/batch/v1/namespaces/{theirs}/jobs"
        jobs = Place(api, theirs, jobs_path, counts[1], lambda name: objects.job(name, pod_spec))
        await jobs.burst(1)
        await jobs.clear()
        cases: list[Case] = []
        notes: dict[str, object] = {}
        for size, wanted in SIZES.items():
            case, spent = await _bursts(size, wanted, (ours, jobs), subject, tick)
            cases.append(case)
            notes[f"burst of {size:,}: pods a second, ours (Job)"] = _rates(case, size)
            notes[f"burst of {size:,}: executor's CPU per command, without its end (ms)"] = round(spent, 1)
        notes["memory after them (MiB)"] = round(subject.memory_mib())
    return Row("P2", "burst: apply → all pods on nodes", tuple(cases), notes)


async def _bursts(
    size: int, wanted: int, places: tuple[Place, Place], subject: Subject, tick: Tick
) -> tuple[Case, float]:
    ours, jobs = places
    spent: list[float] = []

    async def trial() -> float:
        before = subject.cpu_seconds()
        took = await ours.burst(size)
        spent.append((subject.cpu_seconds() - before) / size * 1000)
        await ours.clear()
        return took

    async def peer_trial() -> float:
        took = await jobs.burst(size)
        await jobs.clear()
        return took

    arms = [rounds.Arm(OURS, trial), rounds.Arm(JOB, peer_trial)]
    sample = await rounds.measure(arms, wanted, tick, seconds=LONGEST_SECONDS)
    goal = outcome.at_least_throughput(1.0)
    return outcome.case(f"{size:,} at once → all pods on nodes", sample, OURS, JOB, goal), min(spent)


def _rates(case: Case, size: int) -> str:
    ours, theirs = (sorted(times)[len(times) // 2] / 1000 for times in (case.ours, case.theirs))
    return f"{size / ours:.0f} ({size / theirs:.0f})"


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
