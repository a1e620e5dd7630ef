"""Token totals of an attempt, without counting a message twice. Pure.

The agent writes one entry per content block, each with the usage of the whole message so far: per message id the
largest figures count. Input tokens are everything the model read, from a cache or not. A total told by the agent
itself (headless `result`, or `cost-state`, which the terminal writes when it exits) also covers subagents and wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"inputTokens": self.input_tokens, "outputTokens": self.output_tokens, "costUSD": self.cost_usd}


@dataclass
class UsageMeter:
    _messages: dict[str, tuple[int, int]] = field(default_factory=dict)
    _sessions: dict[str, Usage] = field(default_factory=dict)
    _before: Usage | None = None
    """What the session that is resumed had told before this attempt."""
    _past: set[str] = field(default_factory=set)

    def recall(self, message: dict[str, Any]) -> None:
        """Of an earlier attempt, which has reported it."""
        if message.get("id") and isinstance(message.get("usage"), dict):
            self._past.add(str(message["id"]))

    def told_before(self, cost: Any, models: Any) -> None:
        self._before = _told(cost, models)

    def message(self, message: dict[str, Any]) -> None:
        usage, key = message.get("usage"), str(message.get("id") or "")
        if not isinstance(usage, dict) or not key or key in self._past:
            return
        before = self._messages.get(key, (0, 0))
        read = sum(_count(usage, name) for name in _READ)
        self._messages[key] = (max(before[0], read), max(before[1], _count(usage, "output_tokens")))

    def told(self, session: str, cost: Any, models: Any) -> None:
        """The agent's own total of a session; later tellings replace earlier ones."""
        self._sessions[session] = _told(cost, models)

    def total(self) -> Usage:
        counted = Usage(
            sum(read for read, _ in self._messages.values()), sum(out for _, out in self._messages.values())
        )
        told = [_since(self._before, usage, counted) for usage in self._sessions.values()]
        costs = [float(usage.cost_usd) for usage in told if usage.cost_usd is not None]
        return Usage(
            max(counted.input_tokens, sum(usage.input_tokens for usage in told)),
            max(counted.output_tokens, sum(usage.output_tokens for usage in told)),
            _decimal(sum(costs)) if costs else None,
        )


def _since(before: Usage | None, told: Usage, counted: Usage) -> Usage:
    """Agents differ in whether the total of a resumed session covers its past. It does where, without the past, it
    would still be as much as was counted now."""
    if before is None:
        return told
    read, written = told.input_tokens - before.input_tokens, told.output_tokens - before.output_tokens
    if read < counted.input_tokens or written < counted.output_tokens:
        return told
    spent = float(told.cost_usd or 0) - float(before.cost_usd or 0)
    return Usage(read, written, _decimal(max(spent, 0.0)) if told.cost_usd is not None else None)


def _told(cost: Any, models: Any) -> Usage:
    each = [model for model in models.values() if isinstance(model, dict)] if isinstance(models, dict) else []
    read = sum(_count(model, name) for model in each for name in _READ_TOLD)
    written = sum(_count(model, "outputTokens") for model in each)
    return Usage(read, written, _decimal(cost))


_READ = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_READ_TOLD = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens")


def _count(mapping: dict[str, Any], key: str) -> int:
    value = mapping.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else 0


def _decimal(value: Any) -> str | None:
    """A cost as a decimal string: the API has no floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 10**9:
        return None
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"
