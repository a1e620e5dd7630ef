"""Namespaces of the benchmark's own: made anew, and deleted at the end with all that is in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench import crds, many, objects
from bench.kube import GROUP, Api
from bench.wait import until

GONE_SECONDS = 90.0
ACCOUNT_SECONDS = 30.0


@asynccontextmanager
async def fresh_namespace(api: Api, name: str) -> AsyncIterator[str]:
    await crds.ensure(api)
    await remove(api, name)
    await api.post("/api/v1/namespaces", objects.namespace(name))
    try:
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        await until(f"service account of {name}", lambda: api.exists(account), ACCOUNT_SECONDS)
        yield name
    finally:
        await remove(api, name)


async def remove(api: Api, name: str) -> None:
    """What is left by then are Events for the most part: thousands, after thousands of pods."""
    own = f"/api/v1/namespaces/{name}"
    left = sum([await api.count(f"{own}/{kind}") for kind in ("events", "pods")])
    await many.let_go(api, f"{GROUP}/namespaces/{name}/bugcommands")
    await api.delete(own)
    seconds = many.patience(left, GONE_SECONDS)
    await until(f"end of namespace {name}", lambda: api.is_gone(own), seconds, every=0.25)
