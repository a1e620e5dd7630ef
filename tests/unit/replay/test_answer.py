"""Which answer a request gets: derived from its conversation alone, but for how often a step was refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.replay.builders import bash, body, environment, results, scenario, user

from bugcommand_operator.replay.answer import Answer, Hang, Refuse, Request, Say, answer
from bugcommand_operator.replay.scenario import Scenario


def never(_: str) -> int:
    raise AssertionError("no refusal was to be counted")


def ask(request: dict[str, Any], *scenarios: Scenario, key: str = "sk", count: int | None = None) -> Answer:
    counted = never if count is None else (lambda _: count)
    return answer(Request(request, key, "session"), scenarios, counted)


def said(given: Answer) -> str:
    assert isinstance(given.action, Say)
    return "".join(block.get("text", "") for block in given.action.blocks)


def reply(given: Answer) -> dict[str, Any]:
    """The answer as it comes back in the next request."""
    assert isinstance(given.action, Say)
    return {"role": "assistant", "content": list(given.action.blocks)}


def play(plot: Scenario, *turns: dict[str, Any]) -> list[Answer]:
    """A whole conversation: each answer is put in before the next turn of the user."""
    messages: list[dict[str, Any]] = []
    answers = []
    for turn in turns:
        messages.append(turn)
        answers.append(ask(body(*messages), plot))
        messages.append(reply(answers[-1]))
    return answers


def test_each_tool_result_leads_to_the_next_step() -> None:
    plot = scenario(bash("one"), bash("two"), {"text": "done"})
    answers = play(plot, user("a bug"), results("1"), results("2"))
    assert [given.step for given in answers] == [0, 1, 2]
    assert [given.action.stop_reason for given in answers if isinstance(given.action, Say)] == [
        "tool_use",
        "tool_use",
        "end_turn",
    ]


def test_a_nudge_after_the_end_of_a_turn_continues_the_scenario() -> None:
    plot = scenario(bash("one"), {"text": "waiting"}, bash("two"), {"text": "done"})
    answers = play(plot, user("a bug"), results("1"), user("go on"), results("2"), user("and?"))
    assert [given.step for given in answers] == [0, 1, 2, 3, 4]
    assert answers[-1].kind == "ended"


def test_the_position_survives_a_shortened_conversation() -> None:
    plot = scenario(bash("one"), bash("two"), bash("three"), {"text": "done"})
    second = play(plot, user("a bug"), results("1"))[1]
    shortened = body(user("a bug"), reply(second), results("2"))
    assert ask(shortened, plot).step == 2


def test_the_scenario_is_chosen_by_the_first_prompt_that_matches() -> None:
    plots = (
        scenario({"text": "a"}, contains="apples"),
        scenario({"text": "p", "hang": False}, name="two", contains="pears"),
    )
    assert ask(body(user("fix pears")), *plots).scenario == "two"
    later = body(user("hello"), {"role": "assistant", "content": "hi"}, user("fix apples"))
    assert (ask(later, *plots).scenario, ask(later, *plots).step) == ("one", 0)


def test_what_the_agent_program_adds_to_a_prompt_does_not_choose_a_scenario() -> None:
    assert ask(body(user("hello")), scenario({"text": "x"}, contains="Recent commits")).kind == "unmatched"


def test_a_prompt_without_scenario_is_an_error_that_quotes_it() -> None:
    given = ask(body(user("something else")), scenario({"text": "x"}))
    assert isinstance(given.action, Refuse)
    assert given.action.error.status == 400
    assert "something else" in given.action.error.message


@pytest.mark.parametrize("at", ["system message", "system field", "reminder"])
def test_the_working_directory_is_filled_in_from_the_environment(at: str) -> None:
    plot = scenario(bash("ls {{cwd}}/src", text="in {{cwd}}"))
    text = environment()["content"]
    asked = {
        "system message": body(user("bug"), environment()),
        "system field": body(user("bug"), system=[{"type": "text", "text": "rules"}, {"type": "text", "text": text}]),
        "reminder": body(user(f"<system-reminder>{text}</system-reminder>bug")),
    }[at]
    given = ask(asked, plot)
    assert said(given) == "in /workspace/repo"
    assert isinstance(given.action, Say)
    assert given.action.blocks[1]["input"] == {"command": "ls /workspace/repo/src"}


def test_a_result_that_was_not_expected_stops_the_scenario_for_good() -> None:
    plot = scenario(bash("one"), bash("two", expectResultContains=["FAILED", "test_a"]), {"text": "done"})
    answers = play(plot, user("bug"), results("FAILED test_b"), user("go on"))
    assert [given.kind for given in answers] == ["step", "mismatch", "stopped"]
    assert "'test_a'" in said(answers[1])
    assert "FAILED test_b" in said(answers[1])
    assert said(answers[2]) == said(answers[1])


def test_expected_results_are_looked_for_in_all_results_since_the_last_answer() -> None:
    plot = scenario(bash("one"), bash("two", expectResultContains=["alpha", "beta"]))
    assert [given.kind for given in play(plot, user("bug"), results("alpha", "beta"))] == ["step", "step"]


def test_an_old_result_does_not_fulfil_an_expectation() -> None:
    plot = scenario(bash("one"), bash("two"), bash("three", expectResultContains="alpha"))
    answers = play(plot, user("bug"), results("alpha"), results("beta"))
    assert answers[-1].kind == "mismatch"


def test_an_expectation_after_a_nudge_is_held_against_its_words() -> None:
    plot = scenario({"text": "waiting"}, {"text": "well", "expectResultContains": "status"})
    assert said(play(plot, user("bug"), user("report your status"))[1]) == "well"


@pytest.mark.parametrize(("count", "kind"), [(1, "error"), (2, "error"), (3, "step")])
def test_an_error_is_given_as_often_as_it_says_and_then_the_answer(count: int, kind: str) -> None:
    error = {"status": 529, "type": "overloaded_error", "message": "Overloaded", "times": 2}
    assert ask(body(user("bug")), scenario({"text": "x", "error": error}), count=count).kind == kind


def test_an_error_without_times_is_given_always() -> None:
    error = {"status": 400, "type": "invalid_request_error", "message": "Your credit balance is too low"}
    assert ask(body(user("bug")), scenario({"error": error})).kind == "error"


def test_refusals_are_counted_for_each_session_and_step() -> None:
    seen = []
    error = {"status": 500, "type": "api_error", "message": "m", "times": 1}
    plot = scenario({"text": "x", "error": error}, {"text": "x", "error": error})
    for session in ("s1", "s2"):
        for messages in ([user("bug")], [user("bug"), {"role": "assistant", "content": "x"}, user("more")]):
            answer(Request(body(*messages), "k", session), (plot,), lambda key: seen.append(key) or 1)  # type: ignore[func-returns-value]
    assert len(set(seen)) == 4


def test_a_hanging_step_gives_no_answer() -> None:
    assert isinstance(ask(body(user("bug")), scenario({"hang": True})).action, Hang)


@pytest.mark.parametrize(("key", "kind"), [("sk-right", "step"), ("sk-wrong", "key"), ("schlüssel", "key")])
def test_only_the_key_that_a_scenario_requires_is_let_through(key: str, kind: str) -> None:
    given = ask(body(user("bug")), scenario({"text": "x"}, requireKey="sk-right"), key=key)
    assert given.kind == kind
    if kind == "key":
        assert isinstance(given.action, Refuse)
        assert (given.action.error.status, given.action.error.type) == (401, "authentication_error")


@pytest.mark.parametrize(
    "request_body",
    [
        body(user("quota"), max_tokens=1),
        body(user("<session>a bug</session>"), tools=[]),
        body(user("a bug"), {"role": "assistant", "content": "x"}, user("[SUGGESTION MODE: what comes next]")),
    ],
)
def test_requests_beside_the_conversation_use_up_no_step(request_body: dict[str, Any]) -> None:
    given = ask(request_body, scenario(bash("one")))
    assert (given.kind, given.step) == ("aside", None)
    assert said(given)


def test_a_title_is_given_as_the_json_that_was_asked_for() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "new": {"type": "boolean"}}}
    given = ask(body(user("x"), tools=[], output_config={"format": {"type": "json_schema", "schema": schema}}))
    assert json.loads(said(given)) == {"title": "Fix the bug", "new": False}


def test_usage_is_what_the_step_says_or_about_the_size_of_the_texts() -> None:
    small, large = (ask(body(user("bug" * n)), scenario({"text": "x"})).action for n in (1, 1000))
    assert isinstance(small, Say)
    assert isinstance(large, Say)
    assert 600 < large.usage.input_tokens - small.usage.input_tokens < 900
    exact = ask(body(user("bug")), scenario({"text": "x", "usage": {"inputTokens": 7, "outputTokens": 3}})).action
    assert isinstance(exact, Say)
    assert (exact.usage.input_tokens, exact.usage.output_tokens) == (7, 3)


def test_tool_ids_differ_between_steps_tools_and_sessions() -> None:
    tools = [{"name": "Bash"}, {"name": "Bash"}]
    plot = scenario({"tool": tools}, {"tool": tools})
    ids = set()
    for session in ("s1", "s2"):
        for messages in ([user("bug")], [user("bug"), {"role": "assistant", "content": "x"}, results("1")]):
            action = answer(Request(body(*messages), "k", session), (plot,), never).action
            assert isinstance(action, Say)
            ids |= {block["id"] for block in action.blocks}
    assert len(ids) == 8
