"""Which metrics the executor and the gateway have, read from the registries that their own code fills."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

from bugcommand_operator.executor import metrics as executor_metrics
from bugcommand_operator.executor.world import World
from bugcommand_operator.executor.world_metrics import WorldMetrics
from bugcommand_operator.gateway import app
from bugcommand_operator.gateway.auth import CachedAuthenticator
from bugcommand_operator.gateway.cluster_link import ClusterLink
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.proxy_tokens import ProxyTokens
from bugcommand_operator.gateway.readers import Readers
from bugcommand_operator.gateway.settings import GatewaySettings

PREFIX = "mentu_"
NAMES = re.compile(r"\bmentu_\w+")


@dataclass(frozen=True, order=True)
class Described:
    name: str
    type: str
    labels: tuple[str, ...]
    text: str


def of_executor() -> list[Described]:
    assert executor_metrics.PASSES  # its module fills the registry
    world = WorldMetrics(World(), "bridge-0", 1, executors_alive=lambda: 1)
    registered = [c for c in _collectors(REGISTRY) if not isinstance(c, WorldMetrics)]
    return _described([*registered, world])


def of_gateway(monkeypatch: pytest.MonkeyPatch) -> list[Described]:
    """With everything that adds metrics turned on. Nothing is connected to."""
    metrics = Metrics()
    monkeypatch.setattr(app, "Metrics", lambda: metrics)
    settings = GatewaySettings(database_url="sqlite+aiosqlite:////nowhere/mentu.db", bridge_enabled=True)
    link = ClusterLink("", "mentu", [])
    readers = Readers(ProxyTokens(""), link, link, namespaces=[])
    app.build_app(settings, CachedAuthenticator(link), readers, link, writers=readers)
    return _described(_collectors(metrics.registry))


def names_of(metrics: Iterable[Described]) -> set[str]:
    """All series names, a histogram's three among them."""
    found: set[str] = set()
    for metric in metrics:
        parts = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
        found |= {metric.name + part for part in parts}
    return found


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    return list(registry._collector_to_names)


def _described(collectors: list[Collector]) -> list[Described]:
    found = [_one(collector, family) for collector in collectors for family in collector.collect()]
    return sorted(metric for metric in found if metric.name.startswith(PREFIX))


def _one(collector: Collector, family: Any) -> Described:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    declared = getattr(collector, "_labelnames", None)
    seen = {label for sample in family.samples for label in sample.labels}
    return Described(name, family.type, tuple(declared if declared is not None else sorted(seen)), family.documentation)
