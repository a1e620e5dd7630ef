"""A run's configuration and the agent's transcript entries, in the shapes that the real ones have."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from pathlib import Path
from typing import Any

from bugcommand_operator.runner.config import RunConfig, read_config
from bugcommand_operator.runner.journal import Journal
from bugcommand_operator.runner.lines import Redactor
from bugcommand_operator.runner.spool import Spool

_NUMBERS = itertools.count(1)


def run_settings(root: Path, **changes: Any) -> dict[str, Any]:
    """The MENTU_RUN of a pod whose volume is `root`."""
    return {
        "name": "fix-login",
        "namespace": "team-a",
        "commandId": "0d7f4c2e-0000-4000-8000-000000000001",
        "commitmentId": "cmt_1",
        "attempt": 1,
        "epoch": 3,
        "machineId": "site-1",
        "mode": "Terminal",
        "command": ["agent"],
        "args": [],
        "transcript": "ClaudeCode",
        "cwd": str(root / "repo"),
        "worktree": str(root / "repo"),
        "repository": str(root / "repo"),
        "home": str(root / "home"),
        "stateDir": str(root / "state"),
        "timeoutSeconds": 60,
        "quietSeconds": 0.2,
        "exitGraceSeconds": 2,
        "checkpointSeconds": 60,
        "terminationGraceSeconds": 10,
        "intakeUrl": "",
        "redactEnv": ["ANTHROPIC_API_KEY"],
        "identity": {"name": "Fixer", "email": "fixer@example.org"},
        **changes,
    }


def run_config(root: Path, **changes: Any) -> RunConfig:
    config = read_config({"MENTU_RUN": json.dumps(run_settings(root)), "MENTU_PROMPT": "fix it"})
    return dataclasses.replace(config, **changes)


def journal(root: Path, *secrets: str, limit: int = 1 << 20, attempt: int = 1) -> tuple[Journal, Spool]:
    """A journal that prints nowhere."""
    spool = Spool(root / "spool", attempt)
    return Journal(spool, Redactor(secrets), limit, os.open(os.devnull, os.O_WRONLY)), spool


def lines(spool: Spool, most: int = 100_000) -> list[dict[str, Any]]:
    """What a spool has to send next."""
    batch = spool.batch(most, 1 << 30)
    found = [json.loads(line) for line in batch.raw.splitlines()] if batch else []
    assert batch is None or (batch.last, batch.count) == (found[-1]["seq"], len(found))
    return found


def messages(spool: Spool) -> list[str]:
    return [line["message"] for line in lines(spool)]


def assistant(*blocks: dict[str, Any], stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    number = next(_NUMBERS)
    message: dict[str, Any] = {
        "id": f"msg_{number}",
        "role": "assistant",
        "content": list(blocks),
        "stop_reason": stop,
        "usage": {},
    }
    return {
        "type": "assistant",
        "uuid": f"a{number}",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message": message,
        **more,
    }


def says(text: str, **more: Any) -> dict[str, Any]:
    return assistant({"type": "text", "text": text}, **more)


def calls(tool: str, arguments: dict[str, Any], key: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return assistant({"type": "tool_use", "id": key, "name": tool, "input": arguments}, stop="tool_use", **more)


def answers(content: Any, key: str = "toolu_1", is_error: bool = False, **more: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": key, "content": content, "is_error": is_error}
    return {"type": "user", "uuid": f"u{next(_NUMBERS)}", "message": {"role": "user", "content": [block]}, **more}


def asks(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "user", "uuid": f"u{next(_NUMBERS)}", "message": {"role": "user", "content": text}, **more}


def api_error(text: str, status: int | None, error: str, kind: str | None = None) -> dict[str, Any]:
    """What the agent writes when a request failed for good."""
    more = {"isApiErrorMessage": True, "error": error, "apiErrorStatus": status, "apiErrorType": kind}
    return says(text, stop="stop_sequence", **more)
