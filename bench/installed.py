"""Executors that are installed on the cluster: they rest while others are measured, and are put back afterwards.

They would compete for the same commands, and their work would be in every figure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.kube import Api, Raw
from bench.wait import until

STATEFUL_SETS = "/apis/apps/v1/statefulsets"
LABELS = "app.kubernetes.io/component=executor"
GONE_SECONDS = 60


@asynccontextmanager
async def resting(api: Api, wanted: bool = True) -> AsyncIterator[list[str]]:
    installed = [
        item for item in await api.items(f"{STATEFUL_SETS}?labelSelector={LABELS}") if item["spec"]["replicas"]
    ]
    found = installed if wanted else []
    try:
        for item in found:
            await _scale(api, item, 0)
        for item in found:
            await _until_gone(api, item)
        yield [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in found]
    finally:
        for item in found:
            await _scale(api, item, item["spec"]["replicas"])


async def _scale(api: Api, item: Raw, replicas: int) -> None:
    await api.patch(_path(item), {"spec": {"replicas": replicas}})


async def _until_gone(api: Api, item: Raw) -> None:
    async def has_none() -> bool:
        return not (await api.get(_path(item)))["status"].get("replicas", 0)

    await until(f"end of {_path(item)}", has_none, GONE_SECONDS, every=0.25)


def _path(item: Raw) -> str:
    meta = item["metadata"]
    return f"/apis/apps/v1/namespaces/{meta['namespace']}/statefulsets/{meta['name']}"
