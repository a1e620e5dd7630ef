"""Thousands of objects at once: made, and taken away again, with a bound on how many requests are under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from urllib.parse import quote

from bench.kube import GROUP, Api, ApiError, Raw
from bench.wait import until

AT_ONCE = 64
PAGE = 500
GONE_SECONDS, GONE_SECONDS_EACH = 300.0, 0.3
DELETE_EVERY, DELETE_SECONDS = 2.0, 65.0
"""The API server itself gives up a request after a minute."""

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


def patience(objects: int, least: float = GONE_SECONDS) -> float:
    """Seconds that the end of so many may take: Kubernetes takes volumes one by one."""
    return least + GONE_SECONDS_EACH * objects


async def empty(api: Api, namespace: str, told: Callable[[int], None] = lambda _left: None) -> None:
    """No command, Job, pod or volume is left; the executor is not asked to end anything properly. `told` hears how many
    are left."""
    commands = f"{GROUP}/namespaces/{namespace}/bugcommands"
    core = f"/api/v1/namespaces/{namespace}"
    volumes = f"{core}/persistentvolumeclaims?labelSelector=mentu.dev/role!=mirror"  # which the next trial needs, too
    paths = [commands, f"/apis/batch/v1/namespaces/{namespace}/jobs", f"{core}/pods", volumes]
    due = 0.0

    async def none_left() -> bool:
        nonlocal due
        if time.monotonic() >= due:
            await let_go(api, commands)
            for path in paths:
                await _delete_all(api, path)
            due = time.monotonic() + DELETE_EVERY
        left = await _left(api, paths)
        told(left)
        return not left

    seconds = patience(await _left(api, paths))
    await until(f"an empty namespace {namespace}", none_left, seconds, every=0.5)


async def _left(api: Api, paths: list[str]) -> int:
    """While a selector picks any, all of their kind are counted: of those alone it is not told how many there are."""
    return sum([await api.count(path.partition("?")[0]) for path in paths if await api.count(path)])


async def let_go(api: Api, commands: str) -> None:
    """What was measured is not worth keeping: commands lose their finalizers, those that have any."""
    await for_each(await _held(api, commands), lambda name: _without_finalizers(api, f"{commands}/{name}"))


async def _held(api: Api, commands: str) -> list[str]:
    names: list[str] = []
    after = ""
    while True:
        page = await api.get(f"{commands}?limit={PAGE}&continue={after}")
        names += [item["metadata"]["name"] for item in page["items"] if item["metadata"].get("finalizers")]
        after = quote(page["metadata"].get("continue") or "")
        if not after:
            return names


async def _without_finalizers(api: Api, path: str) -> None:
    try:
        await api.patch(path, {"metadata": {"finalizers": None}})
    except ApiError as error:
        if error.status != 404:
            raise


async def _delete_all(api: Api, path: str) -> None:
    """Of thousands it may not come to an end in time: what is gone by then is gone."""
    if not await api.count(path):
        return
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "gracePeriodSeconds": 0}
    try:
        await api.request("DELETE", path, body, seconds=DELETE_SECONDS)
    except TimeoutError:
        return
    except ApiError as error:
        if error.status not in (429, 504):
            raise
