"""An executor's entry in the registry: the Executor that shows it, and the Lease that says that it is alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bugcommand_operator.api.conditions import Condition
from bugcommand_operator.api.executor import ExecutorSpec, ExecutorStatus
from bugcommand_operator.api.names import (
    API_VERSION,
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    executor_object_name,
)

Manifest = dict[str, Any]
COMPONENT = "executor"
SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_COMPONENT}={COMPONENT}"


@dataclass(frozen=True)
class Entry:
    namespace: str
    spec: ExecutorSpec
    pid: str
    holder: str
    """Which process it is: two of the same instance id are told apart by it."""
    started_at: datetime
    lease_seconds: int

    @property
    def name(self) -> str:
        return executor_object_name(self.spec.instance_id)

    def metadata(self) -> Manifest:
        labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_COMPONENT: COMPONENT}
        return {"namespace": self.namespace, "name": self.name, "labels": labels}


def executor_manifest(entry: Entry) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "Executor",
        "metadata": entry.metadata(),
        "spec": entry.spec.to_dict(),
    }


def executor_status(entry: Entry, running: int, lacking: Sequence[str], before: Manifest, now: datetime) -> Manifest:
    """`before`: what is shown by now, whose condition stays as old as it is. `lacking`: rights, in words."""
    shown = ExecutorStatus(
        pid=entry.pid, started_at=entry.started_at, running=running, conditions=[_degraded(lacking, now)]
    ).to_dict()
    [degraded] = shown["conditions"]
    told = {(old.get("type"), old.get("status")): old for old in before.get("conditions") or []}
    same = told.get((degraded["type"], degraded["status"]), degraded)
    degraded["lastTransitionTime"] = same.get("lastTransitionTime", degraded["lastTransitionTime"])
    return shown


def _degraded(lacking: Sequence[str], now: datetime) -> Condition:
    if not lacking:
        return Condition(type="Degraded", status="False", reason="AsExpected", last_transition_time=now)
    message = f"RBAC denies: {', '.join(lacking)}. Work goes on once it is allowed again."
    return Condition(type="Degraded", status="True", reason="RightsMissing", message=message, last_transition_time=now)


def lease_manifest(entry: Entry, now: datetime) -> Manifest:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": entry.metadata(),
        "spec": {**held(entry, now), "acquireTime": micro_time(now)},
    }


def held(entry: Entry, now: datetime) -> Manifest:
    return {
        "holderIdentity": entry.holder,
        "leaseDurationSeconds": entry.lease_seconds,
        "renewTime": micro_time(now),
    }


def released(now: datetime) -> Manifest:
    return {"holderIdentity": "", "renewTime": micro_time(now)}


def micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
