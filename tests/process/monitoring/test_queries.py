"""Every query of the dashboards and every series of the alerts, asked of a real Prometheus that has scraped a real
executor's and a real gateway's metrics while they worked."""

from __future__ import annotations

import json
import math
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.process.gateway.process import COMMAND, GatewayProcess, Sender, batch, line
from tests.process.monitoring.executor import FAILS, REFUSED, SUCCEEDS, LivingExecutor, living_executor
from tests.support.prometheus import Prometheus, promtool
from tests.unit.gateway.fake_cluster import FakeCluster

CHART = Path(__file__).parents[3] / "helm" / "mentu-operator"
RULES = CHART / "rules" / "mentu.yaml"
SELECTOR = re.compile(r"mentu_\w+(?:\{[^}]*\})?")
GRAFANAS = {"$__rate_interval": "5m", "$__range": "10m"}
TOKEN = "sk-ant-api03-" + "a" * 40


@dataclass
class Watched:
    prometheus: Prometheus
    ports: dict[str, int]


def queries() -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in sorted((CHART / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


def selectors() -> list[str]:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return sorted({found for rule in rules for found in SELECTOR.findall(rule["expr"])})


def talk(gateway: GatewayProcess, first: int) -> None:
    """Lines, lines that were sent already, a token in one, a stranger, and a reader without a token."""
    sender = Sender(gateway.port, "good")
    for _ in range(2):
        assert sender.send(batch(range(first, first + 10))).status == 200
    secret = {**batch([]), "lines": [line(first + 10, f"key {TOKEN}")]}
    assert sender.send(secret).status == 200
    assert Sender(gateway.port, "stranger").send(batch([1])).status == 401
    assert sender.get("/rest/v1/spawn_logs")[0] in (401, 403)


def lives(executor: LivingExecutor) -> None:
    for script in (SUCCEEDS, FAILS, REFUSED):
        executor.lives_through(script)
    executor.lives_through(SUCCEEDS, cancel=True)
    executor.lives_through(SUCCEEDS, suspend=True)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("monitoring")
    with FakeCluster() as cluster, living_executor(folder) as executor:
        cluster.add("good", COMMAND, 1)
        with GatewayProcess(folder / "logs.db", cluster.kubeconfig(folder)) as gateway:
            ports = {"executor": executor.port, "gateway": gateway.port}
            lives(executor)
            talk(gateway, 1)
            with Prometheus(folder, ports, [RULES]) as prometheus:
                prometheus.wait_for("count(sum_over_time(up[5m]) >= 2) == 2")
                lives(executor)
                talk(gateway, 100)
                prometheus.wait_for('increase(mentu_finished_total{phase="Succeeded"}[5m]) > 0')
                prometheus.wait_for("increase(mentu_log_lines_stored_total[5m]) > 0")
                yield Watched(prometheus, ports)


@pytest.mark.parametrize("expr", queries())
def test_each_query_of_the_dashboards_has_a_result(watched: Watched, expr: str) -> None:
    for variable, value in GRAFANAS.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    values = [float(sample["value"][1]) for sample in watched.prometheus.query(expr)]
    assert any(not math.isnan(value) for value in values), f"{expr}: {values}"


@pytest.mark.parametrize("selector", selectors())
def test_each_series_that_an_alert_looks_at_is_there(watched: Watched, selector: str) -> None:
    assert watched.prometheus.query(selector)


def test_prometheus_evaluates_each_alert_without_an_error(watched: Watched) -> None:
    found = watched.prometheus.evaluated_rules()
    assert len(found) >= 10
    assert {rule["name"]: rule.get("lastError") for rule in found if rule["health"] == "err"} == {}


@pytest.mark.parametrize("process", ["executor", "gateway"])
def test_promtool_finds_no_fault_with_our_metrics(watched: Watched, process: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{watched.ports[process]}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    ours = [each for each in text.splitlines() if "mentu_" in each]
    assert len(ours) > 20
    assert "_created" not in text
    promtool("check", "metrics", given="\n".join(ours) + "\n")
