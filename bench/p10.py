"""P10: how often we write to the API server in a command's life; a count, taken from the API server's own metrics.

Events, deletion and the log's tail are not in it. Beside it: a Job's life, with one pod and no volume.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from dev.scale import pretended

from bench import kwok, many, objects
from bench.census import Watching
from bench.kube import Api, Raw
from bench.namespaces import fresh_namespace
from bench.outcome import Figure, Row
from bench.pretending import command, commands_path, pretending
from bench.rounds import Tick
from bench.subject import executor_subject
from bench.wait import until

LIVES = 50
ROUNDS = 2
MOST = 12
WAIT_SECONDS = 180.0
LINE = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
Write = tuple[str, str]
"""A verb and a resource, with its subresource."""

OURS: tuple[Write, ...] = (
    ("PATCH", "bugcommands"),
    ("PATCH", "bugcommands/status"),
    ("POST", "pods"),
    ("PATCH", "pods"),
    ("DELETE", "pods"),
    ("POST", "persistentvolumeclaims"),
    ("PATCH", "persistentvolumeclaims"),
)
"""Nobody else makes these: the scheduler posts bindings, kwok patches `pods/status`, Kubernetes' controllers update."""

OF_JOB: tuple[Write, ...] = (("PUT", "jobs/status"), ("PATCH", "jobs/status"), ("POST", "pods"), ("PATCH", "pods"))


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kwok.pretended_nodes(api, folder))
        ours = await _ours(api, folder)
        tick()
        jobs = await _jobs(api)
        tick()
    each = sum(ours.values()) / LIVES
    notes = {"each": _words(ours), "a Job": f"{sum(jobs.values()) / LIVES:.1f}: {_words(jobs)}"}
    return Row("P10", "writes to the API server", (Figure("in a command's life", "writes", each, MOST, LIVES),), notes)


def _words(counts: Counter[Write]) -> str:
    return ", ".join(f"{verb} {resource} {count / LIVES:.2f}" for (verb, resource), count in counts.most_common())


async def _ours(api: Api, folder: Path) -> Counter[Write]:
    name = "mentu-bench-writes"
    async with pretending(api, name), Watching(api, name) as census, executor_subject(folder, name, LIVES):
        await api.post(commands_path(name), command("first", 0.5))  # the mirror is made once for all

        async def first() -> bool:
            return census.phases["Succeeded"] == 1

        async def all_of_them() -> bool:
            return census.phases["Succeeded"] == LIVES + 1 and await _all_are_owned(api, name)

        await until("a first life", first, WAIT_SECONDS)
        before = await _writes(api)
        await many.make(api, commands_path(name), (command(f"life-{number}", 2) for number in range(LIVES)))
        await until("the end of all", all_of_them, WAIT_SECONDS)
        return of(await _writes(api) - before, OURS)


async def _all_are_owned(api: Api, namespace: str) -> bool:
    """The last write: the volume is given to its command."""
    volumes = await api.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
    return all(volume["metadata"].get("ownerReferences") for volume in volumes)


async def _jobs(api: Api) -> Counter[Write]:
    name = "mentu-bench-writes-jobs"
    path = f"/apis/batch/v1/namespaces/{name}/jobs"

    async def complete() -> bool:
        return all((job["status"].get("succeeded") or 0) > 0 for job in await api.items(path))

    async with fresh_namespace(api, name):
        before = await _writes(api)
        await many.make(api, path, (_job(f"life-{number}") for number in range(LIVES)))
        await until("the end of all Jobs", complete, WAIT_SECONDS)
        counts = of(await _writes(api) - before, OF_JOB)
        await many.empty(api, name)
        return counts


def _job(name: str) -> Raw:
    container = {"name": "main", "image": "none", "command": ["true"]}
    template = pretended.pod_template(2)
    spec = {"restartPolicy": "Never", "containers": [container], "tolerations": template["tolerations"]}
    job = objects.job(name, {**spec, "nodeSelector": template["nodeSelector"]})
    meta = {"labels": {"mentu.dev/role": "job"}, "annotations": template["annotations"]}
    job["spec"]["template"]["metadata"] = meta
    return job


async def _writes(api: Api) -> Counter[Write]:
    return writes(await api.text("/metrics"))


def writes(metrics: str) -> Counter[Write]:
    """By verb and resource, refused ones too: they cost as much."""
    found: Counter[Write] = Counter()
    for text, value in LINE.findall(metrics):
        labels = dict(LABEL.findall(text))
        resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
        found[labels["verb"], resource] += int(float(value))
    return found


def of(counts: Counter[Write], wanted: tuple[Write, ...]) -> Counter[Write]:
    return Counter({write: counts[write] for write in wanted if counts[write]})
