"""The executor as it is in this checkout, for one namespace, as a process beside the cluster's own programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.images import image
from bench.programs import free_port, program
from bugcommand_operator.store import migrate

MACHINE = "bench"
"""Commands that name it are taken by no other executor."""


@asynccontextmanager
async def executor(folder: Path, namespace: str, env: Mapping[str, str] | None = None) -> AsyncIterator[int]:
    """Begins once it watches; `env` is added to its configuration."""
    liveness, metrics = free_port(), free_port()
    settings = {
        "MENTU_LIVENESS_PORT": str(liveness),
        "MENTU_EXECUTOR_ID": "bridge-bench",
        "MENTU_MACHINE_ID": MACHINE,
        "MENTU_NAMESPACES": json.dumps([namespace]),
        "MENTU_METRICS_PORT": str(metrics),
        "MENTU_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/mentu.db",
        "MENTU_CONCURRENCY_LIMIT": "1000",
        "MENTU_OPERATOR_IMAGE": image("mentu-operator"),
        "MENTU_AGENT_IMAGE": image("mentu-agent"),
        **(env or {}),
    }

    await migrate.upgrade(settings["MENTU_DATABASE_URL"])

    async def lives() -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{liveness}/readyz") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async with program(["-m", "bugcommand_operator.executor"], settings, folder / "executor.log", lives) as pid:
        yield pid
