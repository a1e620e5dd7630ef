"""Kubernetes' controllers with the limits that they have unless told otherwise, in the place of the cluster's own.

The scheduler keeps its raised ones.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dev.cluster import owner, parts, processes, up
from dev.cluster.__main__ import layout

from bench.kube import kubeconfig
from bench.programs import program

PART = "kube-controller-manager"
PORT = 10257
GRACE_SECONDS = 20.0


@asynccontextmanager
async def default_limits(folder: Path) -> AsyncIterator[None]:
    """20 requests a second of each controller, 30 at once, for as long as a block runs. They end with whoever has
    started them, so that none is left slow unnoticed; what misses its own then is `make cluster`'s to mend."""
    cluster = layout()
    own = processes.load(up.record(cluster, PART))
    arguments = ["--pdeathsig", "KILL", *without_limits(parts.argv(PART, cluster))]
    try:
        await asyncio.to_thread(processes.end, [own] if own else [], GRACE_SECONDS)
        log = folder / f"{PART}.log"
        async with program(arguments, processes.GO_ENVIRONMENT, log, _listens, executable="setpriv"):
            yield
    finally:
        await asyncio.to_thread(up.restart, cluster, [PART])


def can_be_had() -> bool:
    """Whether the cluster that is measured is the one of this checkout, and nobody else's stands in its place."""
    cluster = layout()
    is_measured = kubeconfig().resolve() == cluster.kubeconfig.resolve()
    return is_measured and owner.running_elsewhere(cluster.folder) is None and up.running(cluster, PART)


def without_limits(argv: list[str]) -> list[str]:
    return [argument for argument in argv if not argument.startswith("--kube-api-")]


async def _listens() -> bool:
    return up.accepts((socket.AF_INET, ("127.0.0.1", PORT)))
