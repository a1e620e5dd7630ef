"""Which dashboards there are, and how one becomes a file."""

from __future__ import annotations

from collections.abc import Callable

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dev.dashboards import cost, executors, failures, logs, overview

DASHBOARDS: dict[str, Callable[[], Dashboard]] = {
    "mentu-overview": overview.dashboard,
    "mentu-failures": failures.dashboard,
    "mentu-executors": executors.dashboard,
    "mentu-logs": logs.dashboard,
    "mentu-cost": cost.dashboard,
}


def as_json(dashboard: Dashboard) -> str:
    return str(JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build())) + "\n"
