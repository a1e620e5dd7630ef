"""How a step of the agent reads as log lines. Pure; bounded, since a tool's output is as long as it likes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

RESULT_LINES = 12
RESULT_LINE_CHARS = 400
CALL_CHARS = 400
_LONGEST_DELAY = 10**9
IN_BACKGROUND = "  ⎿ runs in the background"
_ARGUMENTS = (  # what of a tool's input tells most, in this order
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "query",
    "url",
    "skill",
    "description",
    "prompt",
)
_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)
_SILENT = re.compile(r"\s*<(?:system-reminder|local-command|command-name|command-message|bash-)")


def prompt_lines(text: str) -> Iterator[str]:
    """What was said to the agent, marked; its own machinery talking to itself is left out."""
    if _SILENT.match(text):
        return
    summary = _SUMMARY.search(text) if text.lstrip().startswith("<task-notification>") else None
    if summary is not None:
        yield f"✻ {summary.group(1).strip()}"
        return
    for number, line in enumerate(text.strip("\n").split("\n")):
        yield f"{'❯' if number == 0 else ' '} {line}".rstrip()


def text_lines(text: str) -> list[str]:
    return text.strip("\n").split("\n") if text.strip() else []


def call_line(name: str, arguments: Any) -> str:
    return f"⏺ {name}({_clip(_flat(_telling(arguments)), CALL_CHARS)})"


def result_lines(content: Any, is_error: bool) -> Iterator[str]:
    text = re.sub(r"</?tool_use_error>", "", _text(content)).strip("\n")
    lines = text.split("\n") if text else ["(no output)"]
    for number, line in enumerate(lines[:RESULT_LINES]):
        mark = ("  ⎿ ✗ " if is_error else "  ⎿ ") if number == 0 else "    "
        yield mark + _clip(line, RESULT_LINE_CHARS)
    if len(lines) > RESULT_LINES:
        yield f"    … +{len(lines) - RESULT_LINES} lines"


def retry_line(event: dict[str, Any]) -> str:
    delay = event.get("retry_delay_ms")
    seconds = ""
    if isinstance(delay, (int, float)) and 0 <= delay < _LONGEST_DELAY:
        seconds = f" in {delay / 1000:.1f} s"
    return f"✗ model: {event.get('error')} ({event.get('error_status')}), trying again{seconds}"


def _telling(arguments: Any) -> str:
    if not isinstance(arguments, dict):
        return str(arguments)
    for name in _ARGUMENTS:
        if isinstance(arguments.get(name), str):
            return str(arguments[name])
    return json.dumps(arguments, ensure_ascii=False) if arguments else ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else json.dumps(content, ensure_ascii=False)
    return "\n".join(_block_text(block) for block in content)


def _block_text(block: Any) -> str:
    if not isinstance(block, dict):
        return str(block)
    return str(block["text"]) if "text" in block else f"[{block.get('type', 'content')}]"


def _flat(text: str) -> str:
    return " ⏎ ".join(line.rstrip() for line in text.strip().split("\n"))


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
