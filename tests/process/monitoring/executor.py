"""An executor with all its parts but kopf, over a modelled cluster: what it exposes is what it has lived through."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.support.builders import NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import populated

from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.config import Config
from bugcommand_operator.executor.handlers import Routes
from bugcommand_operator.executor.main import Executor
from bugcommand_operator.executor.world_metrics import WorldMetrics

USAGE = {"inputTokens": 12_000, "outputTokens": 900, "costUSD": "0.42"}
SUCCEEDS = Script(agent=End(says={"reason": "Completed", "lines": 3, "usage": USAGE}))
FAILS = Script(agent=End(1, {"reason": "ModelRateLimited", "usage": USAGE}))
REFUSED = Script(workspace=End(20, {"reason": "PermissionDenied"}))
STEPS = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port: int = reserved.getsockname()[1]
        return port


class LivingExecutor:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.port, self.health_port = free_port(), free_port()
        self.cluster = populated(ClusterModel(kubelet=Kubelet(SUCCEEDS)), [])
        config = Config(
            executor_id="bridge-0",
            metrics_port=self.port,
            liveness_port=self.health_port,
            database_url=f"sqlite+aiosqlite:///{folder}/none.db",
        )
        kube = FakeKube(self.cluster)
        self._executor = Executor(config, kube)
        self._executor._expose()
        metrics.LEASE_RENEWED.set_to_current_time()  # the modelled cluster has no Leases
        self._loop = asyncio.Runner()
        self._numbers = count(1)
        self._heard: list[tuple[str, Any]] = []
        self.cluster.watchers.append(lambda kind, obj: self._heard.append((kind, obj)))

    def lives_through(self, script: Script, **spec: Any) -> None:
        """A new command, from its creation to its end, and whatever else is still there."""
        number = next(self._numbers)
        self.cluster.kubelet.script = script
        self.cluster.create(bug_command(f"bug-{number}", NAMESPACE, f"0b5c7c0e-58c1-4d0b-9a83-{number:012d}", **spec))
        self._loop.run(self._live())

    def end(self) -> None:
        self._loop.close()
        for collector in list(REGISTRY._collector_to_names):
            if isinstance(collector, WorldMetrics):
                REGISTRY.unregister(collector)

    async def _live(self) -> None:
        executor = self._executor
        await executor._resync.once()
        working = asyncio.create_task(executor._queue.run())
        try:
            for _ in range(STEPS):
                await self._settle()
                self.cluster.step()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _settle(self) -> None:
        executor = self._executor
        routes = Routes(executor._world, executor._queue.add, executor._turns.call_up, executor._queue.add_at_once)
        while self._heard or len(self._executor._queue):
            heard, self._heard = self._heard, []
            for kind, obj in heard:
                route = {"BugCommand": routes.command, "Pod": routes.pod, "PersistentVolumeClaim": routes.volume}
                if obj["kind"] in route:
                    await route[obj["kind"]]({"type": kind, "object": obj})  # type: ignore[typeddict-item]
            await asyncio.sleep(0)


@contextmanager
def living_executor(folder: Path) -> Iterator[LivingExecutor]:
    with pytest.MonkeyPatch.context() as patch:
        executor = LivingExecutor(folder, patch)
        try:
            yield executor
        finally:
            executor.end()
