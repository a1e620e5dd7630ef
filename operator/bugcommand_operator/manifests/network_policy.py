"""What agent pods may reach, one policy a namespace. Pure; what it says is the installation's."""

from __future__ import annotations

from typing import Any

from bugcommand_operator.api.names import LABEL_MANAGED_BY, LABEL_ROLE, MANAGED_BY, ROLE_AGENT
from bugcommand_operator.manifests.parts import Manifest

NAME = "mentu-agents"


def agents_network_policy(namespace: str, spec: dict[str, Any]) -> Manifest:
    selector = {"matchLabels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: ROLE_AGENT}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": NAME, "labels": {LABEL_MANAGED_BY: MANAGED_BY}},
        "spec": {**spec, "podSelector": selector},
    }
