"""BugCommands as the API server has them, and how a test puts them there."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.process.cli.conftest import Lab

Object = dict[str, Any]


def bugcommand(name: str, phase: str = "", labels: dict[str, str] | None = None, **more: Any) -> Object:
    attempt = {"attempt": 1} if phase not in ("", "Pending") else {}
    metadata = {"namespace": "team-a", "name": name, "uid": f"uid-of-{name}", "labels": labels or {}}
    status = {**({"phase": phase} if phase else {}), **attempt, **more.pop("status", {})}
    return {
        "metadata": {**metadata, **more.pop("metadata", {})},
        "spec": {"prompt": "x", **more.pop("spec", {})},
        "status": status,
    }


def ended(reason: str, message: str, truth: str = "False") -> list[Object]:
    return [{"type": "Succeeded", "status": truth, "reason": reason, "message": message}]


def put(lab: Lab, *commands: Object, **state: Any) -> None:
    lab.state["bugcommands"] = list(commands)
    lab.state.update(state)
    lab.save()


def ago(**duration: float) -> str:
    return (datetime.now(UTC) - timedelta(**duration)).isoformat()
