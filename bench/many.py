"""Thousands of objects at once: made, and taken away again, with a bound on how many requests are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from bench.kube import GROUP, Api, ApiError, Raw
from bench.wait import until

AT_ONCE = 64
GONE_SECONDS = 300.0
T = TypeVar("T")


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[object]], at_once: int = AT_ONCE) -> None:
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


async def make(api: Api, path: str, manifests: Iterable[Raw]) -> None:
    await for_each(manifests, lambda manifest: api.post(path, manifest))


async def empty(api: Api, namespace: str) -> None:
    """No command, Job, pod or volume is left; the executor is not asked to end anything properly."""
    commands = f"{GROUP}/namespaces/{namespace}/bugcommands"
    core = f"/api/v1/namespaces/{namespace}"
    volumes = f"{core}/persistentvolumeclaims?labelSelector=mentu.dev/role!=mirror"  # which the next trial needs, too
    paths = [commands, f"/apis/batch/v1/namespaces/{namespace}/jobs", f"{core}/pods", volumes]
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "gracePeriodSeconds": 0}

    async def none_left() -> bool:
        await for_each(await api.items(commands), lambda item: _let_go(api, f"{commands}/{item['metadata']['name']}"))
        for path in paths:
            await api.request("DELETE", path, body)
        return not any([await api.items(path) for path in paths])

    await until(f"an empty namespace {namespace}", none_left, GONE_SECONDS, every=0.5)


async def _let_go(api: Api, path: str) -> None:
    try:
        await api.patch(path, {"metadata": {"finalizers": None}})
    except ApiError as error:
        if error.status != 404:
            raise
