"""Puts the operator and what the demo needs beside it on the cluster."""

from __future__ import annotations

import json

from dev.demo import objects
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl, Manifest, call
from dev.demo.settings import CHART, Deadlines, Settings
from dev.gitserver.access import GitAccess, manifests


def helm_values(settings: Settings) -> Manifest:
    """Our images, and a way for agents to the two servers in the demo's namespace, which are private addresses."""
    return {
        "image": {
            "registry": settings.image_prefix.rstrip("/"),
            "operator": {"tag": settings.image_tag},
            "agent": {"tag": settings.image_tag},
        },
        "networkPolicy": {
            "extraEgress": [
                _egress(settings.namespace, "mentu-gitserver", 8080, 8443),
                _egress(settings.namespace, "mentu-replay", 8787),
            ]
        },
    }


def _egress(namespace: str, name: str, *ports: int) -> Manifest:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }
    return {"to": [peer], "ports": [{"protocol": "TCP", "port": port} for port in ports]}


def operator(kubectl: Kubectl, settings: Settings, deadlines: Deadlines) -> None:
    where = ["--namespace", settings.operator_namespace, "--create-namespace"]
    how = ["--wait", f"--timeout={deadlines.install:.0f}s", "--values", "-"]
    if settings.own_cluster:
        # Tests on the development cluster apply the CRDs without Helm, which would refuse to touch them.
        how.append("--take-ownership")
    arguments = ["helm", "upgrade", "--install", settings.release, str(CHART), *where, *how]
    call(arguments, given=json.dumps(helm_values(settings)), timeout=deadlines.install + 30, env=kubectl.env)


def clean(kubectl: Kubectl, settings: Settings, deadlines: Deadlines) -> None:
    """Takes away what an earlier run left. Commands go first, while the git server that they push to is still there."""
    if not kubectl.run("get", "namespace", settings.namespace, "--ignore-not-found"):
        return
    half = deadlines.clean / 2
    wait = ("--wait", f"--timeout={half:.0f}s")
    try:
        kubectl.run("delete", "bugcommands", "--all", *wait, timeout=half + 10)
        kubectl.run("delete", "namespace", settings.namespace, *wait, timeout=half + 10)
    except DemoError as error:
        hint = f"kubectl -n {settings.namespace} get bugcommands,pods shows what holds it"
        raise DemoError(
            f"the namespace {settings.namespace} of the last run does not go away: {error}", hint
        ) from error


def services(kubectl: Kubectl, settings: Settings, access: GitAccess, deadlines: Deadlines) -> None:
    """The git server, and the replay server where no key was given; returns once both answer."""
    kubectl.apply([objects.namespace(settings.namespace)])
    wanted = [*manifests(access), *objects.git_server(settings)]
    names = ["deployment/git"]
    if settings.replay:
        wanted += objects.replay_server(settings)
        names.append("deployment/replay")
    kubectl.apply(wanted)
    for name in names:
        kubectl.run("rollout", "status", name, f"--timeout={deadlines.deploy:.0f}s", timeout=deadlines.deploy + 10)
