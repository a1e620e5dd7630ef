"""Kubernetes' controllers with the limits that they have unless told otherwise, in the place of the cluster's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dev.cluster import parts, processes, up
from dev.cluster.__main__ import layout

from bench.programs import program

PART = "kube-controller-manager"
PORT = 10257
END_SECONDS = 20.0


@asynccontextmanager
async def default_limits(folder: Path) -> AsyncIterator[None]:
    """20 requests a second of each controller, 30 at once, for as long as a block runs. Should all of it be killed
    meanwhile, the cluster says of its own controllers that they are not running: none is left slow unnoticed."""
    cluster = layout()
    own = processes.load(up.record(cluster, PART))
    await asyncio.to_thread(processes.end, [own] if own else [], END_SECONDS)
    try:
        executable, *arguments = without_limits(parts.argv(PART, cluster))
        async with program(arguments, processes.GO_ENVIRONMENT, folder / f"{PART}.log", _listens, executable):
            yield
    finally:
        await asyncio.to_thread(up.restart, cluster, [PART])


def without_limits(argv: list[str]) -> list[str]:
    return [argument for argument in argv if not argument.startswith("--kube-api-")]


async def _listens() -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    except OSError:
        return False
    writer.close()
    return True
