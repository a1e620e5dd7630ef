"""A third installation, which is upgraded and uninstalled. It works in a namespace of its own; the git server is that
of the installation of all tests, and so are the CRDs but where a test says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from dev.demo.kubectl import CommandError, Kubectl
from dev.demo.settings import CHART, Settings
from tests.support import cluster_helm
from tests.support.cluster_bug import Bug
from tests.support.cluster_objects import Raw, namespace, repository, shell_agent
from tests.support.cluster_values import helm_values

NAMESPACE, SYSTEM = "mentu-e2e-chart", "mentu-e2e-chart-system"
CRD = "agents.mentu.dev"


class ChartLab:
    def __init__(self, settings: Settings, helm: str = cluster_helm.HELM_3) -> None:
        self.settings = settings
        self.helm = helm
        self.kubectl = Kubectl(settings.kubeconfig, NAMESPACE)
        self.system = Kubectl(settings.kubeconfig, SYSTEM)

    def up(self) -> None:
        self.clean()
        self.kubectl.apply([namespace(name) for name in (NAMESPACE, SYSTEM)])
        self.kubectl.apply([shell_agent(), repository("plain")])
        self.install()

    def install(self, *how: str, chart: Path = CHART, **values: Any) -> None:
        cluster_helm.install(self.system, self.values() | values, *how, chart=chart, helm=self.helm)

    def values(self) -> Raw:
        """The log is kept when the release goes: an agent that goes on has lines to add to it."""
        return helm_values(self.settings) | {
            "watchNamespaces": [NAMESPACE],
            "crds": {"enabled": False},
            "rbac": {"aggregateRoles": False},
            "persistence": {"size": "1Gi", "whenDeleted": "Retain"},
        }

    def clean(self) -> None:
        if self.kubectl.run("get", "crd", "bugcommands.mentu.dev", "--ignore-not-found"):
            try:
                self.kubectl.run("delete", "bugcommands", "--all", "--timeout=90s", timeout=100)
            except CommandError:  # a run that was killed has left nobody who takes finalizers off
                for name in self.kubectl.run("get", "bugcommands", "-o", "name").split():
                    self.kubectl.run("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        cluster_helm.clean(self.system, self.helm)
        self.kubectl.run("delete", "namespace", NAMESPACE, SYSTEM, "--ignore-not-found", "--timeout=90s", timeout=100)

    def run(self, command: Raw) -> Bug:
        self.kubectl.apply([command])
        return Bug(self.kubectl, command["metadata"]["name"])

    def executor_uid(self) -> str:
        pod = self.system.get("pod", "mentu-executor-0")
        return str(pod["metadata"]["uid"]) if pod else ""

    def crd(self) -> Raw:
        found = self.kubectl.get("crd", CRD)
        assert found is not None
        return found

    def columns(self) -> list[str]:
        return [column["name"] for column in self.crd()["spec"]["versions"][0].get("additionalPrinterColumns") or ()]

    def nobody_owns_the_crds(self) -> None:
        """As applied by hand, or made from a chart's folder crds/."""
        crds = self.kubectl.run("get", "crd", "-o", "name").split()
        ours = [name for name in crds if name.endswith(".mentu.dev")]
        gone = ("meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-", "helm.sh/resource-policy-")
        self.kubectl.run("annotate", *ours, *gone)
        self.kubectl.run("label", *ours, "app.kubernetes.io/managed-by-")


def older_chart(folder: Path) -> Path:
    """This chart as it might have been a version ago: the Agent's definition had no columns of its own."""
    copy = folder / "older"
    shutil.copytree(CHART, copy)
    path = copy / "crd-files" / f"{CRD}.yaml"
    definition = yaml.safe_load(path.read_text())
    definition["spec"]["versions"][0].pop("additionalPrinterColumns")
    path.write_text(json.dumps(definition))
    return copy
