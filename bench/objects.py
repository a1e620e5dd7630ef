"""The objects that the benchmarks make. Pure."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
NOWHERE = {"mentu.dev/bench": "nowhere"}
"""Selects no node: the pod is made and stays Pending, so that no kubelet works while controllers are measured."""

POD_FIELDS = ("initContainers", "containers", "volumes", "securityContext", "nodeSelector", "affinity", "restartPolicy")


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def repository(name: str, url: str) -> Manifest:
    return custom("Repository", name, {"url": url, "mirror": {"size": "1Gi"}, "worktree": {"size": "1Gi"}})


def agent(name: str, **spec: Any) -> Manifest:
    return custom("Agent", name, spec)


def command(name: str, **spec: Any) -> Manifest:
    return custom("BugCommand", name, spec)


def job(name: str, pod_spec: Manifest) -> Manifest:
    template = {"spec": pod_spec}
    spec = {"template": template, "backoffLimit": 0}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def same_pod(pod: Manifest) -> Manifest:
    """The spec that the operator gave its pod, without what admission added: the peers make the same pod."""
    spec = {field: pod["spec"][field] for field in POD_FIELDS if field in pod["spec"]}
    return {**spec, "automountServiceAccountToken": False, "enableServiceLinks": False}


def custom(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": "mentu.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
