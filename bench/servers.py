"""What P3 needs around it: a git server on the cluster, the log gateway and the replay model server on this machine.

The gateway runs here, and not in a pod, so that its database can be watched by the millisecond and by the same clock
that times the request. Pods reach it by the node's address, so the node has to be this machine.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml
from dev.gitserver.access import make_access, manifests

from bench.images import image
from bench.kube import Api, Raw
from bench.programs import ROOT, free_port, program
from bench.repositories import Upstream
from bench.wait import until

READY_SECONDS = 90.0
PLURALS = {
    "Deployment": "/apis/apps/v1/{}/deployments",
    "Service": "/api/v1/{}/services",
    "Secret": "/api/v1/{}/secrets",
}


async def git_server(api: Api, namespace: str, upstream: Upstream) -> str:
    """Starts it and pushes the repository; returns the URL that pods fetch from."""
    objects = yaml.safe_load_all((ROOT / "dev/gitserver/gitserver.yaml").read_text())
    for item in [*manifests(make_access(namespace)), *objects]:
        await _apply(api, namespace, item)
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/git"

    async def ready() -> bool:
        return bool((await api.get(deployment))["status"].get("readyReplicas"))

    await until("the git server", ready, READY_SECONDS)
    service = await api.get(f"/api/v1/namespaces/{namespace}/services/git")
    await _push(upstream, f"http://{service['spec']['clusterIP']}/public/bench.git")
    return f"http://git.{namespace}.svc/public/bench.git"


async def _apply(api: Api, namespace: str, item: Raw) -> None:
    if item["kind"] == "Deployment":
        for container in item["spec"]["template"]["spec"]["containers"]:
            container["image"] = image("mentu-gitserver")
    await api.apply(PLURALS[item["kind"]].format(f"namespaces/{namespace}"), item["metadata"]["name"], item)


async def _push(upstream: Upstream, url: str) -> None:
    """A Service's address takes a moment until it leads somewhere."""
    command = ["git", "-c", "http.proxy=", "-C", str(upstream.path), "push", "--quiet", url, "main"]

    async def pushed() -> bool:
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=READY_SECONDS, check=False)
        return done.returncode == 0

    await until(f"push to {url}", pushed, READY_SECONDS, every=1.0)


async def node_address(api: Api) -> str:
    """Of the one node, which is this machine."""
    node, *more = await api.items("/api/v1/nodes")
    addresses = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    if more or not _is_here(addresses[0]):
        raise RuntimeError("P3 needs a cluster whose only node is this machine: `make cluster`")
    return str(addresses[0])


def _is_here(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


@asynccontextmanager
async def gateway(folder: Path, address: str, database: Path) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://{address}:{port}"
    settings = {
        "MENTU_HOST": address,
        "MENTU_PORT": str(port),
        "MENTU_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
    }
    log = folder / "gateway.log"
    async with program(["-m", "bugcommand_operator.gateway.main"], settings, log, lambda: answers(f"{url}/readyz")):
        yield url


@asynccontextmanager
async def replay(folder: Path, address: str, scenarios: Path) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://{address}:{port}"
    arguments = ["-m", "bugcommand_operator.replay", "serve", "--host", address, "--port", str(port)]
    arguments += ["--scenario", str(scenarios)]
    async with program(arguments, {}, folder / "replay.log", lambda: answers(f"{url}/healthz")):
        yield url


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
