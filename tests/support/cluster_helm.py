"""Helm as the tests on the cluster call it: by argument list, each call with a deadline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dev.demo.kubectl import CommandError, Kubectl, call
from dev.demo.settings import CHART
from tests.support.cluster_objects import RELEASE

HELM_3, HELM_4 = "helm", "helm4"


def install(
    system: Kubectl, values: dict[str, Any], *how: str, chart: Path = CHART, seconds: int = 120, helm: str = HELM_3
) -> str:
    """Installs, or upgrades."""
    arguments = [helm, "upgrade", "--install", RELEASE, str(chart), "--namespace", system.namespace]
    waiting = ["--wait", f"--timeout={seconds}s", "--values", "-", *how]
    return call([*arguments, *waiting], given=json.dumps(values), timeout=seconds + 10, env=system.env)


def uninstall(system: Kubectl, *how: str, seconds: int = 120, helm: str = HELM_3) -> str:
    where = ["--namespace", system.namespace, "--wait", f"--timeout={seconds}s"]
    return call([helm, "uninstall", RELEASE, *where, *how], timeout=seconds + 10, env=system.env)


def clean(system: Kubectl, helm: str = HELM_3) -> None:
    """Whatever a run that was killed has left, an image that is gone among it: then without hooks."""
    try:
        uninstall(system, "--ignore-not-found", helm=helm)
    except CommandError:
        uninstall(system, "--ignore-not-found", "--no-hooks", helm=helm)


def run_tests(system: Kubectl, seconds: int = 130) -> str:
    """`helm test`."""
    arguments = ["helm", "test", RELEASE, "--namespace", system.namespace, f"--timeout={seconds}s"]
    return call(arguments, timeout=seconds + 10, env=system.env)


def stay(system: Kubectl) -> None:
    """After an uninstallation that was refused, which Helm has noted all the same."""
    where = ["--namespace", system.namespace]
    history = json.loads(call(["helm", "history", RELEASE, *where, "-o", "json"], timeout=30, env=system.env))
    assert history[-1]["status"] == "uninstalling", history[-1]
    revision = str(history[-1]["revision"])
    call(["helm", "rollback", RELEASE, revision, *where, "--wait", "--timeout=120s"], timeout=130, env=system.env)
