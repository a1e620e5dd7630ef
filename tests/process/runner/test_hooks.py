"""What the agent's hooks tell about its turn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bugcommand_operator.runner.hooks import EVENTS, HookState, fold, parse, settings


def after(*events: tuple[str, dict[str, Any]]) -> HookState:
    state = HookState()
    for number, (name, more) in enumerate(events):
        state = fold(state, {"hook_event_name": name, "session_id": "s1", **more}, float(number))
    return state


PROMPT = ("UserPromptSubmit", {"prompt": "fix"})
STOP: tuple[str, dict[str, Any]] = ("Stop", {"background_tasks": [], "session_crons": []})


def test_a_turn_ends_with_stop_and_the_next_prompt_opens_another() -> None:
    assert after(PROMPT, STOP).stopped_at == 1.0
    assert after(PROMPT, STOP, PROMPT).stopped_at is None
    assert after(PROMPT, STOP, PROMPT).session_id == "s1"


def test_what_runs_in_the_background_or_on_a_timer_would_wake_the_agent() -> None:
    state = after(PROMPT, ("Stop", {"background_tasks": [{"id": "b"}], "session_crons": [{"id": "c"}]}))
    assert state.background == 2


def test_a_turn_that_the_model_failed_has_ended_too() -> None:
    state = after(
        PROMPT, ("StopFailure", {"error": "billing_error", "last_assistant_message": "Credit balance is too low"})
    )
    assert state.stopped_at == 1.0
    assert state.error is not None
    assert state.error.reason == "ModelCreditExhausted"
    assert after(PROMPT, ("StopFailure", {"error": "overloaded"}), PROMPT).error is None


@pytest.mark.parametrize("event", ["SubagentStop", "Notification", "PreToolUse"])
def test_other_events_do_not_end_the_turn(event: str) -> None:
    assert after(PROMPT, (event, {})).stopped_at is None


@pytest.mark.parametrize(
    "junk",
    ["", "nonsense", "[1]", "null", '{"hook_event_name": 7}', '{"background_tasks": 3}', "[" * 100_000],
    ids=lambda junk: junk[:24],
)
def test_junk_in_the_file_changes_nothing(junk: str) -> None:
    assert fold(HookState(), parse(junk), 1.0).stopped_at is None


def test_a_hook_appends_what_it_is_told_wherever_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "it's here" / "hooks.jsonl"
    path.parent.mkdir()
    for name in EVENTS:
        command = settings(str(path))[name][0]["hooks"][0]["command"]
        subprocess.run(["sh", "-c", command], input=f'{{"hook_event_name": "{name}"}}\n', text=True, check=True)
    assert [json.loads(line)["hook_event_name"] for line in path.read_text().splitlines()] == list(EVENTS)
