"""Executors' registries on one modelled cluster, with a local clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.builders import NOW
from tests.support.cluster_model import ClusterModel, Raw
from tests.support.fake_kube import FakeKube

from bugcommand_operator.api.executor import ExecutorSpec
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.executor import joining
from bugcommand_operator.executor.registry import Registry
from bugcommand_operator.manifests.registry import Entry

SYSTEM, MACHINE, LEASE = "mentu-system", "site-1", 15


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    cluster: ClusterModel = field(default_factory=ClusterModel)
    clock: Clock = field(default_factory=Clock)

    def executor(self, name: str, holder: str = "", **spec: Any) -> Registry:
        fields = {"instance_id": name, "machine_id": MACHINE, "capacity": 4, **spec}
        entry = Entry(SYSTEM, ExecutorSpec(**fields), f"{name}-pod", holder or f"{name}-pod_uid", NOW, LEASE)
        return Registry(FakeKube(self.cluster), entry, clock=self.clock)

    async def joined(self, name: str, holder: str = "", **spec: Any) -> Registry:
        registry = self.executor(name, holder, **spec)
        assert await joining.step(registry)
        return registry

    async def pass_time(self, seconds: float, *alive: Registry) -> list[ClusterError]:
        """In steps of a round, as those that are alive make them."""
        failed = []
        for _ in range(round(seconds / 3)):
            self.clock.now += 3
            for registry in alive:
                try:
                    await registry.round()
                except ClusterError as error:
                    failed.append(error)
        return failed

    def names(self, kind: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.cluster.of_kind(kind)]

    def lease(self, name: str) -> Raw:
        return dict((self.cluster.find("Lease", name) or {})["spec"])


def live(registry: Registry) -> list[str]:
    return [peer.id for peer in registry.executors().live]
