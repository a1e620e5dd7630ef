"""The dashboards' figures: their own queries, asked of a Prometheus that scrapes the operator while the demo runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from tests.support.prometheus import Prometheus

from dev.demo.kubectl import Kubectl
from dev.demo.settings import CHART, Settings

PORTS = {"executor": 9090, "gateway": 80}
GRAFANAS = {"$__range": "1h", "$__rate_interval": "1m"}
"""What Grafana would put there."""
HAS_ENDED = f"sum(increase(mentu_finished_total[{GRAFANAS['$__range']}])) > 0.5"
SHOWN: dict[str, Callable[[float], str]] = {"percentunit": "{:.0%}".format, "currencyUSD": "${:.4f}".format}
Samples = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    dashboard: str
    title: str
    unit: str
    expr: str


@contextmanager
def watched(system: Kubectl, settings: Settings, folder: Path) -> Iterator[Prometheus]:
    """Raises DemoError or RuntimeError where it cannot be had."""
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(system.forward(f"service/{settings.release}-{name}", port))
            for name, port in PORTS.items()
        }
        yield stack.enter_context(Prometheus(folder, ports, every="250ms"))


def panels(folder: Path = CHART / "dashboards") -> list[Panel]:
    """Those of the chart's dashboards that show one number."""
    return [
        Panel(board["title"].removeprefix("Mentu / "), panel["title"], unit_of(panel), panel["targets"][0]["expr"])
        for board in (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
        for panel in board["panels"]
        if panel["type"] == "stat"
    ]


def unit_of(panel: dict[str, Any]) -> str:
    return str(panel.get("fieldConfig", {}).get("defaults", {}).get("unit", ""))


def table(prometheus: Prometheus) -> Table:
    """Once it has seen the command's end."""
    prometheus.wait_for(HAS_ENDED)
    found = Table("dashboard", "figure", "value", box=None, padding=(0, 2))
    for panel in panels():
        found.add_row(panel.dashboard, panel.title, shown(panel.unit, prometheus.query(asked(panel.expr))))
    return found


def asked(expr: str) -> str:
    for variable, value in GRAFANAS.items():
        expr = expr.replace(variable, value)
    return expr


def shown(unit: str, samples: Samples) -> str:
    """A dash for what there is no number for, such as the cost of a success where there was none."""
    value = float(samples[0]["value"][1]) if samples else math.nan
    return SHOWN.get(unit, "{:,.0f}".format)(value) if math.isfinite(value) else "–"
