"""Requests and scenarios in the shapes that the agent and its users write them."""

from __future__ import annotations

from typing import Any

from bugcommand_operator.replay.scenario import Scenario

TOOLS = [{"name": "Bash"}, {"name": "Edit"}]
ENVIRONMENT = "# Environment\n - Primary working directory: /workspace/repo\n - Platform: linux"


def scenario(*steps: dict[str, Any], name: str = "one", contains: str | None = "bug", **more: Any) -> Scenario:
    when = {"promptContains": contains} if contains else None
    return Scenario.model_validate({"name": name, "when": when, "steps": list(steps), **more})


def bash(command: str, **step: Any) -> dict[str, Any]:
    return {"tool": {"name": "Bash", "input": {"command": command}}, **step}


def user(text: str) -> dict[str, Any]:
    reminder = "<system-reminder>\nRecent commits: none\n</system-reminder>"
    return {"role": "user", "content": [{"type": "text", "text": reminder}, {"type": "text", "text": text}]}


def environment() -> dict[str, Any]:
    return {"role": "system", "content": ENVIRONMENT}


def results(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": text} for text in texts]}


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "some-model", "max_tokens": 1000, "messages": list(messages), "tools": TOOLS, **more}
