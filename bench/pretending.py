"""A namespace whose commands run on pretended nodes: what P2, P9, P10 and the scale run share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dev.scale import pretended

from bench import many, objects
from bench.executor import MACHINE
from bench.kube import GROUP, Api, Raw
from bench.namespaces import fresh_namespace

FOR_EVER = 86_400.0


@asynccontextmanager
async def pretending(api: Api, name: str) -> AsyncIterator[str]:
    async with fresh_namespace(api, name):
        base = f"{GROUP}/namespaces/{name}"
        spec = {"url": "http://git.invalid/bench.git", **pretended.volumes()}
        await api.apply(f"{base}/repositories", "bench", objects.custom("Repository", "bench", spec))
        await api.apply(f"{base}/agents", "bench", objects.agent("bench", command=["true"], transcript="Plain"))
        try:
            yield name
        finally:
            await many.empty(api, name)


def commands_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/bugcommands"


def command(name: str, seconds: float, **spec: Any) -> Raw:
    """Its agent pretends to work for so long; then its work is pretended to be pushed."""
    return objects.command(
        name,
        prompt="Nothing: this pod runs no program.",
        repository={"name": "bench"},
        agent="bench",
        targetMachine=MACHINE,
        podTemplate=pretended.pod_template(seconds),
        **spec,
    )
