"""What a person needs once something did not work: conditions, events, pods and their last words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dev.demo import render
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl
from dev.demo.screen import Screen
from dev.demo.settings import Settings

TIMEOUT = 15


def show(screen: Screen, kubectl: Kubectl, settings: Settings) -> None:
    """Each part for itself: one that cannot be had hides no other."""
    parts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Conditions", lambda: conditions(_objects(kubectl, "bugcommands"))),
        ("Pods", lambda: kubectl.run("get", "pods,pvc", "-o", "wide", timeout=TIMEOUT)),
        ("Events", lambda: kubectl.run("get", "events", "--sort-by=.lastTimestamp", timeout=TIMEOUT)),
        ("Containers", lambda: _last_words(kubectl)),
        ("Operator", lambda: _operator(kubectl, settings)),
    )
    for title, part in parts:
        screen.title(title)
        try:
            screen.show(render.indented(part(), last=30))
        except DemoError as error:
            screen.show(render.indented(f"not available: {error}"))


def conditions(commands: list[dict[str, Any]]) -> str:
    lines = []
    for command in commands:
        status = command.get("status") or {}
        lines.append(f"{command['metadata']['name']}: {status.get('phase') or 'no phase yet'}")
        for item in status.get("conditions") or []:
            lines.append(f"  {item['type']}={item['status']} {item['reason']}: {item.get('message', '')}")
    return "\n".join(lines) or "no BugCommand was made"


def troubled(pods: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(pod, container) of each container that is not well, the init containers first."""
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        for item in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            if _is_troubled(item):
                found.append((pod["metadata"]["name"], item["name"]))
    return found


def _is_troubled(status: dict[str, Any]) -> bool:
    state = status.get("state") or {}
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    if ended:
        return bool(ended.get("exitCode"))
    return waiting.get("reason", "") not in ("", "PodInitializing", "ContainerCreating")


def _last_words(kubectl: Kubectl) -> str:
    lines = []
    for pod, container in troubled(_objects(kubectl, "pods"))[:5]:
        lines.append(f"{pod} {container}:")
        try:
            lines.append(kubectl.run("logs", pod, "-c", container, "--tail=8", timeout=TIMEOUT).rstrip())
        except DemoError as error:
            lines.append(str(error))
    return "\n".join(lines) or "none ended with an error"


def _operator(kubectl: Kubectl, settings: Settings) -> str:
    space = settings.operator_namespace
    pods = kubectl.run("get", "pods", timeout=TIMEOUT, namespace=space)
    names = kubectl.run("get", "pods", "-o", "name", timeout=TIMEOUT, namespace=space).split()
    words = [
        f"{name}:\n" + kubectl.run("logs", name, "--all-containers", "--tail=6", timeout=TIMEOUT, namespace=space)
        for name in names[:3]
    ]
    return pods + "".join(words)


def _objects(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(kubectl.run("get", kind, "-o", "json", timeout=TIMEOUT)).get("items", [])
    return items
