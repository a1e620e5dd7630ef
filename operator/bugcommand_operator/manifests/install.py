"""What the chart decided and every pod needs: images, addresses, the network policy. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Install:
    operator_image: str
    agent_image: str
    intake_url: str = ""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    workspace_id: str = "default"
    network_policy: dict[str, Any] | None = None
    """`spec` of the NetworkPolicy that agent pods get, without its podSelector; None: none is made."""
    proxy: dict[str, str] = field(default_factory=dict)
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY of pods that talk to the world outside."""
    ca_bundle: str = ""
    """PEM certificates that these trust beside the system's."""
    # A limit without a request would be taken for the request too, and no small node would have room.
    preparation_resources: dict[str, Any] = field(
        default_factory=lambda: {
            "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
            "limits": {"memory": "1Gi", "ephemeral-storage": "4Gi"},
        }
    )
    agent_resources: dict[str, Any] = field(
        default_factory=lambda: {
            "requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "256Mi"},
            "limits": {"memory": "4Gi", "ephemeral-storage": "8Gi"},
        }
    )
    scratch_limit: str = "4Gi"
    """Most that an emptyDir (a /tmp, the bundle on its way from `export` to `publish`) may take of the node's disk."""
    termination_grace_seconds: int = 45
    drain_seconds: int = 900
    """How long a runner whose agent has ended waits for the log intake to take the last lines."""
    ship_seconds: int = 60
    """How long the rescue of a deleted command's work may be held up by lines that nobody takes."""
