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
    preparation_resources: dict[str, Any] = field(
        default_factory=lambda: {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "1Gi"},
        }
    )
    agent_resources: dict[str, Any] = field(
        default_factory=lambda: {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"memory": "4Gi"},
        }
    )
    termination_grace_seconds: int = 45
