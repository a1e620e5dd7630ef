"""What the agent's hooks told: has its turn ended, and is anything of it still running in the background. Pure.

The hooks are one `cat >>` each, so that they cost the agent a millisecond. `Stop` says which background tasks and
timers would wake the agent again (`background_tasks`, `session_crons`); `StopFailure` takes its place when the model
could not be reached; `UserPromptSubmit` opens the next turn, also when a background task that finished starts it.
A subagent's end fires `SubagentStop`, which nobody listens to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from . import model_errors
from .model_errors import ModelError

EVENTS = ("UserPromptSubmit", "Stop", "StopFailure")


@dataclass(frozen=True)
class HookState:
    session_id: str | None = None
    prompted: bool = False
    stopped_at: float | None = None  # wall clock, to be compared with the transcript's own timestamps
    background: int = 0
    error: ModelError | None = None


def fold(state: HookState, event: Any, at: float) -> HookState:
    """The state after one event that was written at `at`."""
    if not isinstance(event, dict):
        return state
    name = event.get("hook_event_name")
    session = str(event.get("session_id") or "") or state.session_id
    state = replace(state, session_id=session)
    if name == "UserPromptSubmit":
        return replace(state, prompted=True, stopped_at=None, background=0, error=None)
    if name == "Stop":
        waiting = _length(event.get("background_tasks")) + _length(event.get("session_crons"))
        return replace(state, stopped_at=at, background=waiting, error=None)
    if name == "StopFailure":
        return replace(state, stopped_at=at, background=0, error=model_errors.of_stop_failure(event))
    return state


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def settings(events_path: str) -> dict[str, Any]:
    """The `hooks` of the user's settings that write each event to this file."""
    quoted = "'" + events_path.replace("'", "'\\''") + "'"
    hook = {"type": "command", "command": f"cat >> {quoted}", "timeout": 10}
    return {name: [{"hooks": [hook]}] for name in EVENTS}
