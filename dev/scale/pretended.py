"""The objects that pretended nodes need, and what a pod carries to be let onto them. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Manifest = dict[str, Any]
STAGES = Path(__file__).with_name("stages.yaml")
LABEL = "scale.mentu.dev/pretended"
STORAGE_CLASS = "pretended"
PROVISIONER = "scale.mentu.dev/pretended"
RUNS_FOR, EXIT_CODE = "scale.mentu.dev/runs-for", "scale.mentu.dev/exit-code"

SELECTOR = {LABEL: "true"}
TOLERATION = {"key": LABEL, "operator": "Equal", "value": "true", "effect": "NoSchedule"}


def node(name: str) -> Manifest:
    """The taint keeps everybody else's pods away; the label is what ours, their volumes and kwok select by."""
    labels = {**SELECTOR, "kubernetes.io/hostname": name}
    taint = {"key": LABEL, "value": "true", "effect": "NoSchedule"}
    spec = {"taints": [taint]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}


def storage_class() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def pod_template(seconds: float, exit_code: int = 0) -> Manifest:
    """`podTemplate` of a command whose agent pretends to work for so long."""
    annotations = {RUNS_FOR: f"{seconds:.3f}s", EXIT_CODE: str(exit_code)}
    return {"nodeSelector": SELECTOR, "tolerations": [TOLERATION], "annotations": annotations}


def volumes() -> Manifest:
    """`mirror` and `worktree` of a Repository whose commands run there: a mirror that many nodes may share."""
    size = {"size": "1Gi", "storageClassName": STORAGE_CLASS}
    return {"mirror": {**size, "accessMode": "ReadWriteMany"}, "worktree": size}
