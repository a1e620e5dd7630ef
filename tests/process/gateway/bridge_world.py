"""What rows and BugCommands look like in the tests of the bridge."""

from __future__ import annotations

from typing import Any

PREFIX = "/home/mentu/Workspaces/shop"
AWAITS: dict[str, Any] = {
    "phase": "AwaitingApproval",
    "conditions": [{"type": "Ready", "status": "False", "reason": "AwaitingApproval", "message": "of somebody"}],
}
ENDED = {
    "phase": "Succeeded",
    "exitCode": 0,
    "agentStartTime": "2026-01-01T00:00:05Z",
    "completionTime": "2026-01-01T00:01:00Z",
    "claim": {"machine": "lab"},
    "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed"}],
}


def name_of(command_id: str) -> str:
    return f"bridge-{command_id}"
