"""How the operator is installed for the tests: the chart's values. Pure."""

from __future__ import annotations

from dev.demo.settings import Settings
from tests.support.cluster_objects import NAMESPACE, SERVERS, START_DEADLINE, Raw


def helm_values(settings: Settings) -> Raw:
    """Short deadlines, and a way for agents to the servers of the tests, which are private addresses."""
    return {
        "image": {
            "registry": settings.image_prefix.rstrip("/"),
            "operator": {"tag": settings.image_tag},
            "agent": {"tag": settings.image_tag},
        },
        "watchNamespaces": [NAMESPACE],
        "concurrencyLimit": 8,
        "startDeadlineSeconds": START_DEADLINE,
        "overdueSeconds": 20,
        "rescueDeadlineSeconds": 45,
        "executor": {"sweep": {"everySeconds": 3, "graceSeconds": 10}},
        "defaultAgent": {"create": False},
        "persistence": {"size": "1Gi", "whenDeleted": "Delete"},
        # Small, so that several agents fit on a small node.
        "agentPods": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "2Gi"}}},
        "networkPolicy": {
            "enabled": True,
            "extraEgress": [
                _egress("mentu-gitserver", 8080, 8443),
                _egress("mentu-replay", 8787),
                _egress("web", 8000),
            ],
        },
    }


def _egress(name: str, *ports: int) -> Raw:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SERVERS}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }
    return {"to": [peer], "ports": [{"protocol": "TCP", "port": port} for port in ports]}
