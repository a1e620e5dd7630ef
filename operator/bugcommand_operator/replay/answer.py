"""Decides what a request is answered: `answer(request, scenarios, refusals)`. Pure: no clock, no I/O."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bugcommand_operator.replay.aside import estimate, reply
from bugcommand_operator.replay.conversation import (
    STOPPED,
    Conversation,
    is_aside,
    prompts,
    read,
    tool_id,
)
from bugcommand_operator.replay.scenario import ModelError, Scenario, Step, Usage

Block = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """A message of the model."""

    blocks: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    delay_seconds: float = 0


@dataclass(frozen=True)
class Refuse:
    """An error answer."""

    error: ModelError
    delay_seconds: float = 0


@dataclass(frozen=True)
class Hang:
    """No answer at all."""


@dataclass(frozen=True)
class Answer:
    """What to do, and what the log shall say about why."""

    action: Say | Refuse | Hang
    kind: str
    scenario: str = ""
    step: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Request:
    """One POST /v1/messages, already known to be well formed."""

    body: dict[str, Any] = field(repr=False)
    key: str = field(repr=False)
    session: str


Refusals = Callable[[str], int]
"""How often a step of a session was refused so far, this time included: `error.times` is the only memory."""


def answer(request: Request, scenarios: tuple[Scenario, ...], refusals: Refusals) -> Answer:
    if is_aside(request.body):
        return Answer(_aside(request.body), "aside")
    chosen = _choose(request.body, scenarios)
    if chosen is None:
        return _unmatched(request.body)
    scenario, conversation = chosen
    if scenario.require_key is not None and not _same(request.key, scenario.require_key):
        return Answer(
            Refuse(ModelError(status=401, type="authentication_error", message="invalid x-api-key")),
            "key",
            scenario.name,
        )
    return _step(request, scenario, conversation, refusals)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _choose(body: dict[str, Any], scenarios: tuple[Scenario, ...]) -> tuple[Scenario, Conversation] | None:
    for index, prompt in prompts(body["messages"]):
        for scenario in scenarios:
            if scenario.matches(prompt):
                return scenario, read(body, index, prompt)
    return None


def _unmatched(body: dict[str, Any]) -> Answer:
    prompt = next((text for _, text in prompts(body["messages"])), "")
    message = f"No scenario of this replay server matches the prompt: {prompt[:200]}"
    return Answer(
        Refuse(ModelError(status=400, type="invalid_request_error", message=message)),
        "unmatched",
        note=message,
    )


def _step(request: Request, scenario: Scenario, conversation: Conversation, refusals: Refusals) -> Answer:
    position = conversation.position
    if conversation.stopped:
        return Answer(_text(request.body, conversation.stopped), "stopped", scenario.name, note=conversation.stopped)
    if position >= len(scenario.steps):
        return Answer(_text(request.body, f"The scenario {scenario.name} has ended."), "ended", scenario.name, position)
    step = scenario.steps[position]
    missing = [text for text in step.expect_result_contains if text not in conversation.results]
    if missing:
        said = _mismatch(position, missing, conversation.results)
        return Answer(_text(request.body, said), "mismatch", scenario.name, position, said)
    return _perform(request, scenario.name, step, conversation, refusals)


def _mismatch(position: int, missing: list[str], results: str) -> str:
    wanted = " and ".join(repr(text) for text in missing)
    return f"{STOPPED} step {position} expected a result that contains {wanted}, but it was: {results[-2000:]}"


def _perform(request: Request, name: str, step: Step, conversation: Conversation, refusals: Refusals) -> Answer:
    position = conversation.position
    if step.hang:
        return Answer(Hang(), "hang", name, position)
    if step.error is not None and _refuses(step.error, refusals, f"{name}/{position}/{request.session}"):
        return Answer(Refuse(step.error, step.delay_seconds), "error", name, position, step.error.message)
    return Answer(_say(request, step, conversation), "step", name, position)


def _refuses(error: ModelError, refusals: Refusals, key: str) -> bool:
    return error.times is None or refusals(key) <= error.times


def _say(request: Request, step: Step, conversation: Conversation) -> Say:
    said: list[Block] = [{"type": "text", "text": fill(step.text, conversation)}] if step.text else []
    for index, tool in enumerate(step.tool):
        name = tool_id(conversation.position, f"{request.session}/{conversation.position}/{index}")
        said.append({"type": "tool_use", "id": name, "name": tool.name, "input": fill(tool.input, conversation)})
    usage = step.usage or estimate(request.body, said)
    return Say(tuple(said), "tool_use" if step.tool else "end_turn", usage, step.delay_seconds)


def fill(value: Any, conversation: Conversation) -> Any:
    """Puts what is known of the conversation into a text, or into all texts below a value."""
    if isinstance(value, str):
        return value.replace("{{cwd}}", conversation.cwd)
    if isinstance(value, dict):
        return {name: fill(item, conversation) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, conversation) for item in value]
    return value


def _text(body: dict[str, Any], text: str) -> Say:
    said = ({"type": "text", "text": text},)
    return Say(said, "end_turn", estimate(body, list(said)))


def _aside(body: dict[str, Any]) -> Say:
    if body.get("max_tokens") == 1:
        return Say(({"type": "text", "text": "I"},), "max_tokens", Usage(input_tokens=8, output_tokens=1))
    return _text(body, reply(body))
