"""What a request says about its conversation: prompt, folder, steps answered, last results. Pure.

The position is read from the conversation itself: the server may restart, sessions may run side by side.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

STOPPED = "Replay stopped:"
Message = dict[str, Any]

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_CWD = re.compile(r"^\s*-?\s*(?:Primary working directory|Working directory): (.+?)\s*$", re.MULTILINE)
_TOOL_ID = re.compile(r"^toolu_replay_(\d+)_")
# Requests beside the conversation: they carry tools, but their answer is not a turn of it.
_ASIDE = ("[SUGGESTION MODE:", "Your task is to create a detailed summary of")


@dataclass(frozen=True)
class Conversation:
    """A conversation from the prompt that chose the scenario on."""

    prompt: str
    cwd: str
    position: int
    results: str
    stopped: str


def tool_id(step: int, salt: str) -> str:
    """Tool ids carry their step: they come back in the conversation even when the agent shortened it."""
    return f"toolu_replay_{step}_{hashlib.sha256(salt.encode()).hexdigest()[:20]}"


def blocks(content: object) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))


def text_of(content: object) -> str:
    return "\n".join(str(block.get("text", "")) for block in blocks(content) if block.get("type") == "text")


def said(message: Message) -> str:
    """What a person (or the runner) wrote, without the reminders the agent program puts around it."""
    return _REMINDER.sub("", text_of(message.get("content"))).strip()


def prompts(messages: list[Message]) -> Iterator[tuple[int, str]]:
    """Index and text of each user message that says something."""
    for index, message in enumerate(messages):
        if message.get("role") == "user" and (text := said(message)):
            yield index, text


def is_aside(body: dict[str, Any]) -> bool:
    """A title, a quota probe, a suggestion, a summary: answered without using up a step."""
    if not body.get("tools") or body.get("max_tokens") == 1:
        return True
    last = body["messages"][-1]
    return last.get("role") == "user" and said(last).startswith(_ASIDE)


def read(body: dict[str, Any], start: int, prompt: str) -> Conversation:
    since = body["messages"][start:]
    answers = [message for message in since if message.get("role") == "assistant"]
    return Conversation(
        prompt=prompt,
        cwd=working_directory(body),
        position=_position(answers),
        results=_results(since),
        stopped=next((text for text in map(_text, answers) if text.startswith(STOPPED)), ""),
    )


def working_directory(body: dict[str, Any]) -> str:
    """The last one named wins: a resumed conversation tells its folder again."""
    spoken = [message.get("content") for message in body["messages"] if message.get("role") in ("system", "user")]
    found = [match for content in [body.get("system"), *spoken] for match in _CWD.findall(text_of(content))]
    return found[-1] if found else ""


def _text(message: Message) -> str:
    return text_of(message.get("content"))


def _position(answers: list[Message]) -> int:
    """The step after the last one whose tool id is still there, plus the plain answers since."""
    for index in range(len(answers) - 1, -1, -1):
        steps = _steps(answers[index])
        if steps:
            return max(steps) + len(answers) - index
    return len(answers)


def _steps(message: Message) -> list[int]:
    ids = (str(block.get("id", "")) for block in blocks(message.get("content")) if block.get("type") == "tool_use")
    return [int(match[1]) for match in map(_TOOL_ID.match, ids) if match]


def _results(messages: list[Message]) -> str:
    """Tool results since the last answer; what the user said when no tool ran."""
    fresh: list[Message] = []
    for message in reversed(messages):
        if message.get("role") == "assistant":
            break
        fresh.insert(0, message)
    results = [text_of(block.get("content")) for block in _of_type(fresh, "tool_result")]
    return "\n".join(results or [said(message) for message in fresh if message.get("role") == "user"])


def _of_type(messages: Iterable[Message], kind: str) -> Iterator[dict[str, Any]]:
    for message in messages:
        yield from (block for block in blocks(message.get("content")) if block.get("type") == kind)
