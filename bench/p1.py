"""P1: from the request that makes a command to the moment when its pod exists, on an idle cluster.

Peers, in the same rounds: the Job controller with the same pod, and a bare loop of watch, compare-and-set and POST.
All are seen by the same kind of watch, from the same process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench import objects, outcome, rounds
from bench.executor import MACHINE, executor
from bench.kube import GROUP, Api, Raw, Watch, named
from bench.namespaces import fresh_namespace
from bench.outcome import Row
from bench.programs import program, says
from bench.rounds import Tick

ROUNDS = 24
LONGEST_SECONDS = 90
WAIT_SECONDS = 20.0
OURS, JOB, RAW = "operator", "Job controller", "watch + CAS + POST"


class Place:
    """A namespace with a watch on its pods, and the trials in it."""

    def __init__(self, api: Api, namespace: str, pods: Watch) -> None:
        self.api = api
        self.namespace = namespace
        self.pods_path = f"/api/v1/namespaces/{namespace}/pods"
        self._pods = pods
        self._numbers = itertools.count(1)

    def next_name(self) -> str:
        return f"t{next(self._numbers)}"

    async def until_pod(self, name: str, make: Awaitable[object]) -> float:
        """Seconds from before the request until the event about the pod was read."""
        made = self._pods.expect(named("ADDED", name))
        began = time.perf_counter()
        await make
        async with asyncio.timeout(WAIT_SECONDS):
            await made
        return time.perf_counter() - began

    async def gone(self, name: str, remove: Awaitable[object]) -> None:
        removed = self._pods.expect(named("DELETED", name))
        await remove
        async with asyncio.timeout(WAIT_SECONDS):
            await removed


async def command_trial(place: Place) -> float:
    name = place.next_name()
    path = f"{GROUP}/namespaces/{place.namespace}/bugcommands"
    took = await place.until_pod(f"{name}-", place.api.post(path, bench_command(name)))
    await place.gone(f"{name}-", remove_command(place.api, place.namespace, name))
    return took


async def job_trial(place: Place, pod_spec: Raw) -> float:
    name = place.next_name()
    path = f"/apis/batch/v1/namespaces/{place.namespace}/jobs"
    took = await place.until_pod(f"{name}-", place.api.post(path, objects.job(name, pod_spec)))
    await place.gone(f"{name}-", place.api.delete(f"{path}/{name}"))
    return took


def bench_command(name: str) -> Raw:
    return objects.command(
        name,
        prompt="Nothing: this pod finds no node.",
        repository={"name": "bench"},
        agent="bench",
        targetMachine=MACHINE,
        podTemplate={"nodeSelector": objects.NOWHERE},
    )


async def remove_command(api: Api, namespace: str, name: str) -> None:
    """No agent has run, so there is nothing to rescue: the finalizer is taken off by hand and all is deleted."""
    path = f"{GROUP}/namespaces/{namespace}/bugcommands/{name}"
    await _settled(api, path)
    await api.patch(path, {"metadata": {"finalizers": None}})
    await api.delete(path)
    await api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}-1-agent")
    claim = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}-worktree"
    await api.delete(claim)


async def _settled(api: Api, path: str) -> None:
    """Until nothing has been written to it for a moment: what the executor still does is not part of a next trial."""
    version = ""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            seen = (await api.get(path))["metadata"]["resourceVersion"]
            if seen == version:
                return
            version = seen
            await asyncio.sleep(0.15)


@asynccontextmanager
async def _place(api: Api, name: str) -> AsyncIterator[Place]:
    async with fresh_namespace(api, name), Watch(api, f"/api/v1/namespaces/{name}/pods") as watch:
        yield Place(api, name, watch)


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with AsyncExitStack() as stack:
        ours, jobs, raw = [
            await stack.enter_async_context(_place(api, f"mentu-bench-{n}")) for n in ("ours", "job", "raw")
        ]
        for place in (ours, raw):
            await prepare(api, place.namespace)
        pid = await stack.enter_async_context(executor(folder, ours.namespace))
        pod_spec = await warm_up(ours)
        await stack.enter_async_context(_raw_loop(folder, raw.namespace, pod_spec))
        arms = [
            rounds.Arm(OURS, lambda: command_trial(ours)),
            rounds.Arm(JOB, lambda: job_trial(jobs, pod_spec)),
            rounds.Arm(RAW, lambda: command_trial(raw)),
        ]
        for arm in arms:
            await arm.trial()
        before = cpu_seconds(pid)
        sample = await rounds.measure(arms, ROUNDS, tick, seconds=LONGEST_SECONDS)
        trials = len(sample.of(OURS)) + sample.discarded
        spent = (cpu_seconds(pid) - before) / trials * 1000
    cases = (
        outcome.case("create → pod object", sample, OURS, JOB, outcome.at_most(1.3)),
        outcome.case("create → pod object", sample, OURS, RAW, outcome.at_most(1.2)),
    )
    return Row("P1", "idle: apply → pod object exists", cases, {"executor's CPU per command (ms)": round(spent, 1)})


async def prepare(api: Api, namespace: str) -> None:
    base = f"{GROUP}/namespaces/{namespace}"
    repository = objects.repository("bench", "http://git.invalid/bench.git")
    await api.apply(f"{base}/repositories", "bench", repository)
    agent = objects.agent("bench", command=["true"], transcript="Plain")
    await api.apply(f"{base}/agents", "bench", agent)


async def warm_up(place: Place) -> Raw:
    """A first command makes the Repository's mirror volume. Its pod's spec is what the peers make, too."""
    name = place.next_name()
    path = f"{GROUP}/namespaces/{place.namespace}/bugcommands"
    await place.until_pod(f"{name}-", place.api.post(path, bench_command(name)))
    pod = await place.api.get(f"{place.pods_path}/{name}-1-agent")
    await place.gone(f"{name}-", remove_command(place.api, place.namespace, name))
    return objects.same_pod(pod)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def _raw_loop(folder: Path, namespace: str, pod_spec: Raw) -> AsyncIterator[int]:
    spec, log = folder / "pod.json", folder / "raw-loop.log"
    spec.write_text(json.dumps(pod_spec))
    async with program(["-m", "bench.raw_loop", namespace, str(spec)], {}, log, says("watching", log)) as pid:
        yield pid
