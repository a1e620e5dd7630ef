"""Read the agent's transcript: entries in, readable lines out, and what they say about the state of its work.

Pure. It knows two dialects that are nearly one: the session file of a terminal (`~/.claude/projects/<cwd>/<id>.jsonl`)
and the events of `--output-format stream-json`. Everything here was written by an untrusted process: a field that is
missing or of another type is skipped, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import model_errors, render
from .model_errors import ModelError
from .usage import UsageMeter

_REMEMBERED = 200_000


@dataclass
class Transcript:
    """The state of one attempt's conversation, over all of its session files."""

    usage: UsageMeter = field(default_factory=UsageMeter)
    error: ModelError | None = None
    turn_ended: bool = False
    result: dict[str, Any] | None = None
    last_tool_at: float = 0.0
    open_tools: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def read(self, entry: Any, prefix: str = "") -> list[str]:
        """The lines of one entry. `prefix` marks a subagent, whose steps say nothing about the main turn."""
        if not isinstance(entry, dict) or self._repeated(entry):
            return []
        main = not prefix and not entry.get("parent_tool_use_id") and not entry.get("isSidechain")
        kind = entry.get("type")
        if kind == "assistant":
            return [(prefix + line).rstrip() for line in self._assistant(entry, main)]
        if kind == "user":
            return [(prefix + line).rstrip() for line in self._user(entry, main)]
        if kind == "system":
            return [(prefix + line).rstrip() for line in self._system(entry)]
        if kind in ("result", "cost-state"):
            self._totals(entry, kind == "result")
        return []

    def recall(self, entry: Any) -> None:
        """One of before this attempt: should it be told again, it is known."""
        if isinstance(entry, dict) and not self._repeated(entry):
            self.usage.recall(_mapping(entry.get("message")))
            if entry.get("type") == "cost-state":
                self.usage.told_before(entry.get("totalCostUSD"), entry.get("modelUsage"))

    def _repeated(self, entry: dict[str, Any]) -> bool:
        """A resumed or forked session copies its past into a new file; each entry counts once."""
        key = entry.get("uuid")
        if not isinstance(key, str):
            return False
        if key in self._seen:
            return True
        if len(self._seen) < _REMEMBERED:
            self._seen.add(key)
        return False

    def _assistant(self, entry: dict[str, Any], main: bool) -> Iterator[str]:
        message = _mapping(entry.get("message"))
        self.usage.message(message)
        failure = model_errors.of_transcript_entry(entry)
        if main:
            self.error = failure
            self.turn_ended = failure is not None or message.get("stop_reason") in ("end_turn", "stop_sequence")
        for block in _blocks(message.get("content")):
            yield from self._assistant_block(block, entry, main, failure)

    def _assistant_block(
        self, block: dict[str, Any], entry: dict[str, Any], main: bool, failure: ModelError | None
    ) -> Iterator[str]:
        if block.get("type") == "text":
            lines = render.text_lines(str(block.get("text", "")))
            yield from (f"✗ {line}" for line in lines) if failure else lines
        elif block.get("type") == "tool_use":
            if main:
                self.open_tools.add(str(block.get("id")))
                self.last_tool_at = max(self.last_tool_at, _timestamp(entry.get("timestamp")))
                self.turn_ended = False
            yield render.call_line(str(block.get("name")), block.get("input"))

    def _user(self, entry: dict[str, Any], main: bool) -> Iterator[str]:
        content = _mapping(entry.get("message")).get("content")
        if main:
            self.turn_ended = False
        if isinstance(content, str):
            if not entry.get("isMeta"):
                yield from render.prompt_lines(content)
            return
        for block in _blocks(content):
            if block.get("type") == "tool_result":
                self.open_tools.discard(str(block.get("tool_use_id")))
                if _mapping(entry.get("toolUseResult")).get("isAsync"):
                    yield render.IN_BACKGROUND
                else:
                    yield from render.result_lines(block.get("content"), bool(block.get("is_error")))
            elif block.get("type") == "text" and not entry.get("isMeta"):
                yield from render.prompt_lines(str(block.get("text", "")))

    def _system(self, entry: dict[str, Any]) -> Iterator[str]:
        subtype = entry.get("subtype")
        if subtype == "api_retry":
            yield render.retry_line(entry)
        elif subtype == "compact_boundary":
            yield "✻ The conversation was compacted"
        elif subtype == "turn_duration":
            self.turn_ended = True

    def _totals(self, entry: dict[str, Any], is_result: bool) -> None:
        session = str(entry.get("session_id") or entry.get("sessionId") or "")
        cost = entry.get("total_cost_usd") if is_result else entry.get("totalCostUSD")
        self.usage.told(session, cost, entry.get("modelUsage"))
        if is_result:
            self.result = entry
            self.error = model_errors.of_result(entry) or (self.error if entry.get("is_error") else None)


def usage_line(meter: UsageMeter) -> str:
    total = meter.total()
    cost = f", {total.cost_usd} USD" if total.cost_usd is not None else ""
    return f"✓ {total.input_tokens} tokens read, {total.output_tokens} written{cost}"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _timestamp(value: Any) -> float:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
