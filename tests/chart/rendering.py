"""Renders the chart with the real `helm`, without a cluster. Renderings are kept: each takes a quarter of a second."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
TOP = Path(__file__).parents[2]
CHART = TOP / "helm" / "mentu-operator"
OWN_TOOLS = TOP / ".cluster" / "bin"
RELEASE, NAMESPACE = "mentu", "mentu-system"
HELM_3, HELM_4 = "helm", "helm4"
BUILT_BY = {HELM_3: "make cluster-tools", HELM_4: "make helm4"}
HELM_SECONDS = 60
POD_KINDS = ("StatefulSet", "Deployment", "Job", "Pod")
POSTGRES: dict[str, Any] = {
    "database": {"type": "postgres", "urlSecret": {"name": "logs-database"}},
    "gateway": {"replicas": 2},
}
"""What makes the gateway a Deployment of its own."""


def render(**values: Any) -> list[Manifest]:
    """All objects, hooks too, that `helm install` would make with these values."""
    return rendered_by(HELM_3, values)


def rendered_by(program: str, values: dict[str, Any]) -> list[Manifest]:
    return list(_rendered(json.dumps(values), program))


def one(kind: str, name: str, objects: list[Manifest]) -> Manifest:
    found = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def of_kind(kind: str, objects: list[Manifest]) -> list[Manifest]:
    return [o for o in objects if o["kind"] == kind]


def pod_of(obj: Manifest) -> Manifest:
    """The pod, or the template of the pods that an object makes."""
    return obj if obj["kind"] == "Pod" else dict(obj["spec"]["template"])


def executor_pod(objects: list[Manifest]) -> Manifest:
    return pod_of(one("StatefulSet", f"{RELEASE}-executor", objects))


def gateway_pod(objects: list[Manifest]) -> Manifest:
    """The pod that holds the gateway: the executor's, or its own."""
    own = [o for o in of_kind("Deployment", objects) if o["metadata"]["name"] == f"{RELEASE}-gateway"]
    return pod_of(own[0]) if own else executor_pod(objects)


def container_of(name: str, objects: list[Manifest]) -> Manifest:
    pod = gateway_pod(objects) if name == "gateway" else executor_pod(objects)
    (found,) = (c for c in pod["spec"]["containers"] if c["name"] == name)
    return dict(found)


def environment(container: str, objects: list[Manifest]) -> dict[str, str]:
    """As the container sees it: `$$` is how a manifest writes a `$`."""
    env = container_of(container, objects)["env"]
    return {e["name"]: e["value"].replace("$$", "$") for e in env if "value" in e}


def helm(*arguments: str, given: str = "{}", program: str = HELM_3) -> str:
    """The program's output; raises AssertionError with what it complained about."""
    # No cluster is asked, whatever the machine's kubeconfig names.
    env = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(
        [_program(program), *arguments, "--values", "-"],
        input=given,
        capture_output=True,
        text=True,
        timeout=HELM_SECONDS,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _rendered(values: str, program: str) -> tuple[Manifest, ...]:
    text = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, given=values, program=program)
    return tuple(o for o in yaml.load_all(text, Loader=yaml.CSafeLoader) if o is not None)


@cache
def _program(name: str) -> str:
    path = os.pathsep.join([str(OWN_TOOLS), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"{name} was not found: `{BUILT_BY[name]}` builds it, or put one on the PATH (3.14 or newer)")
    return found
