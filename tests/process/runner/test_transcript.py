"""The agent's transcript as readable lines, and what it says about the state of the work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.process.runner.builders import answers, api_error, asks, assistant, calls, says

from bugcommand_operator.runner.render import RESULT_LINES
from bugcommand_operator.runner.transcript import Transcript, usage_line


def lines(*entries: dict[str, Any]) -> list[str]:
    transcript = Transcript()
    return [line for entry in entries for line in transcript.read(entry)]


def test_a_conversation_reads_like_one() -> None:
    found = lines(
        asks("fix the login\nand test it"),
        says("I will look.\n\nThen fix."),
        calls("Bash", {"command": "pytest -q\necho $?", "description": "run"}),
        answers("1 failed\n1"),
        calls("Edit", {"file_path": "/src/a.py", "old_string": "a", "new_string": "b"}, key="t2"),
        answers([{"type": "text", "text": "updated"}], key="t2"),
        calls("Task", {"n": 1}, key="t3"),
        answers("<tool_use_error>no such tool</tool_use_error>", key="t3", is_error=True),
    )
    assert found == [
        "❯ fix the login",
        "  and test it",
        "I will look.",
        "",
        "Then fix.",
        "⏺ Bash(pytest -q ⏎ echo $?)",
        "  ⎿ 1 failed",
        "    1",
        "⏺ Edit(/src/a.py)",
        "  ⎿ updated",
        '⏺ Task({"n": 1})',
        "  ⎿ ✗ no such tool",
    ]


def test_a_long_result_is_cut_and_says_how_much_is_missing() -> None:
    found = lines(answers("\n".join(str(number) for number in range(100))))
    assert len(found) == RESULT_LINES + 1
    assert found[-1] == f"    … +{100 - RESULT_LINES} lines"


def test_wide_lines_and_calls_are_cut() -> None:
    found = lines(calls("Bash", {"command": "x" * 5000}), answers("y" * 5000))
    assert all(len(line) < 450 and "…" in line for line in found)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "user", "isMeta": True, "message": {"content": "<system-reminder>x</system-reminder>"}},
        {"type": "user", "message": {"content": "<system-reminder>x</system-reminder>"}},
        {"type": "user", "message": {"content": "<command-name>/clear</command-name>"}},
        {"type": "attachment", "attachment": {"content": "x"}},
        {"type": "file-history-snapshot"},
        {"type": "api-request-blob", "message": {"role": "user", "content": "x"}},
    ],
)
def test_the_agents_own_machinery_is_left_out(entry: dict[str, Any]) -> None:
    assert lines(entry) == []


def test_a_background_task_that_ended_is_one_line() -> None:
    summary = '<summary>Background command "x" completed</summary>'
    assert lines(asks(f"<task-notification>\n<task-id>b</task-id>\n{summary}\n</task-notification>")) == [
        '✻ Background command "x" completed'
    ]


def test_a_task_that_goes_to_the_background_is_one_line() -> None:
    assert lines(answers("internal\nnotes", toolUseResult={"isAsync": True})) == ["  ⎿ runs in the background"]


def test_an_entry_that_a_resumed_session_repeats_counts_once() -> None:
    entry = says("hello")
    assert lines(entry, entry) == ["hello"]


def test_a_running_tool_is_known_until_it_has_answered() -> None:
    transcript = Transcript()
    transcript.read(calls("Bash", {"command": "sleep 9"}))
    assert transcript.open_tools == {"toolu_1"}
    assert not transcript.turn_ended
    assert transcript.last_tool_at == 1767225600.0
    transcript.read(answers("ok"))
    assert transcript.open_tools == set()


def test_a_turn_ends_with_an_answer_that_calls_no_tool() -> None:
    transcript = Transcript()
    transcript.read(says("Done."))
    assert transcript.turn_ended
    transcript.read(asks("and now?"))
    assert not transcript.turn_ended
    transcript.read({"type": "system", "subtype": "turn_duration"})
    assert transcript.turn_ended


def test_a_failed_request_is_marked_and_the_next_answer_clears_it() -> None:
    transcript = Transcript()
    assert transcript.read(api_error("Invalid API key", 401, "authentication_failed")) == ["✗ Invalid API key"]
    assert transcript.error is not None
    assert transcript.turn_ended
    transcript.read(says("Better."))
    assert transcript.error is None


def test_a_subagents_steps_are_shown_but_say_nothing_about_the_main_turn() -> None:
    transcript = Transcript()
    assert transcript.read(calls("Bash", {"command": "ls"}), "  · ") == ["  · ⏺ Bash(ls)"]
    transcript.read(says("sub done", parent_tool_use_id="toolu_9"))
    transcript.read(api_error("sub failed", 529, "server_error") | {"isSidechain": True})
    assert (transcript.open_tools, transcript.turn_ended, transcript.error) == (set(), False, None)


def test_a_headless_result_brings_the_totals() -> None:
    transcript = Transcript()
    models = {"m": {"inputTokens": 10, "outputTokens": 40}}
    transcript.read({"type": "result", "session_id": "s", "total_cost_usd": 0.00084, "modelUsage": models})
    assert usage_line(transcript.usage) == "✓ 10 tokens read, 40 written, 0.00084 USD"
    assert transcript.result is not None


def test_a_terminal_tells_its_cost_when_it_exits() -> None:
    transcript = Transcript()
    transcript.read({"type": "cost-state", "sessionId": "s", "totalCostUSD": 1.5, "modelUsage": {}})
    assert usage_line(transcript.usage) == "✓ 0 tokens read, 0 written, 1.5 USD"


def test_a_headless_retry_is_one_line() -> None:
    event = {
        "type": "system",
        "subtype": "api_retry",
        "error": "overloaded",
        "error_status": 529,
        "retry_delay_ms": 1250,
    }
    assert lines(event) == ["✗ model: overloaded (529), trying again in 1.2 s"]


@pytest.mark.parametrize("delay", [10**400, -1, float("inf"), float("nan"), "soon"])
def test_a_delay_that_is_none_is_not_shown(delay: object) -> None:
    event = {"type": "system", "subtype": "api_retry", "error": "overloaded", "retry_delay_ms": delay}
    assert lines(event) == ["✗ model: overloaded (None), trying again"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["assistant", "user", "system", "result", "cost-state"]),
    st.dictionaries(
        st.sampled_from(
            ["message", "content", "subtype", "uuid", "error", "modelUsage", "total_cost_usd", "timestamp"]
        ),
        JSON,
    ),
    JSON,
)
def test_no_entry_whatever_its_shape_breaks_the_reader(kind: str, fields: dict[str, Any], content: Any) -> None:
    transcript = Transcript()
    for entry in ({"type": kind, **fields}, {"type": kind, "message": {"content": content, "usage": content}}, content):
        assert all(isinstance(line, str) for line in transcript.read(entry))


@given(JSON, st.text(max_size=8))
def test_no_tool_call_whatever_its_input_breaks_the_reader(arguments: Any, name: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": name, "input": arguments}
    (line,) = Transcript().read(assistant(block))
    assert line.startswith("⏺ ")
