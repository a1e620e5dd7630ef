"""Pretended nodes on the cluster, for as long as a block runs: KWOK's controller as a process of this machine."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from dev.scale import pretended

from bench import many
from bench.kube import Api, Raw, kubeconfig
from bench.programs import ROOT, program
from bench.wait import until

NODES = 20
GONE_SECONDS = 120.0
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PARALLEL = 32
"""States of pods that the controller writes at a time; its own default, 4, would be what is measured."""
LEASE_SECONDS = 40
"""Of each node, renewed four times as often. Kubernetes takes a node without one for dead after 50 s: it marks all its
pods not ready, over and over, and KWOK begins to count the time of each agent anew."""


class NotBuilt(Exception):
    """KWOK's controller is not there."""


@asynccontextmanager
async def pretended_nodes(api: Api, folder: Path, count: int = NODES) -> AsyncIterator[None]:
    """Begins once they are ready. At the end they are gone, and the volumes that were made for them."""
    controller = _controller()
    names = [f"pretended-{number}" for number in range(count)]
    config = folder / "kwok.yaml"
    config.write_text(f"{configuration()}\n---\n{pretended.STAGES.read_text()}")
    arguments = [f"--config={config}", f"--kubeconfig={kubeconfig()}"]
    await api.apply(CLASSES, pretended.STORAGE_CLASS, pretended.storage_class())
    for name in names:
        await api.apply("/api/v1/nodes", name, pretended.node(name))

    async def ready() -> bool:
        nodes = await api.items(f"/api/v1/nodes?labelSelector={pretended.LABEL}=true")
        return len(nodes) >= count and all(is_ready(node) for node in nodes)

    try:
        async with program(arguments, {}, folder / "kwok.log", ready, executable=controller):
            yield
            await volumes_gone(api)
    finally:
        for name in names:
            await api.delete(f"/api/v1/nodes/{name}")
        await api.delete(f"{CLASSES}/{pretended.STORAGE_CLASS}")


def _controller() -> str:
    found = shutil.which("kwok") or shutil.which(ROOT / ".cluster/bin/kwok")
    if found is None:
        raise NotBuilt("KWOK's controller is not built: make kwok")
    return found


def configuration() -> str:
    options = {
        "manageNodesWithLabelSelector": f"{pretended.LABEL}=true",
        "podPlayStageParallelism": PARALLEL,
        "nodePlayStageParallelism": 4,
        "nodeLeaseDurationSeconds": LEASE_SECONDS,
        "nodeLeaseParallelism": 4,
        "enableDebuggingHandlers": False,
    }
    kind = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "metadata": {"name": "scale"}}
    return yaml.safe_dump({**kind, "options": options}, sort_keys=False)


def is_ready(node: dict[str, object]) -> bool:
    status = node.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions or ())


async def volumes_gone(api: Api) -> None:
    """Those of claims that are gone."""

    async def none_left() -> bool:
        return not await _unclaimed(api)

    seconds = many.patience(len(await _unclaimed(api)), GONE_SECONDS)
    await until("end of the pretended volumes", none_left, seconds, every=2)


async def _unclaimed(api: Api) -> list[Raw]:
    claims = {claim["metadata"]["uid"] for claim in await api.items("/api/v1/persistentvolumeclaims")}
    volumes = await api.items("/api/v1/persistentvolumes")
    pretended_ones = (volume for volume in volumes if volume["spec"].get("storageClassName") == pretended.STORAGE_CLASS)
    return [each for each in pretended_ones if (each["spec"].get("claimRef") or {}).get("uid") not in claims]
