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

    def message(self, message: dict[str, Any]) -> None:
        usage, key = message.get("usage"), str(message.get("id") or "")
        if not isinstance(usage, dict) or not key:
            return
        before = self._messages.get(key, (0, 0))
        read = sum(_count(usage, name) for name in _READ)
        self._messages[key] = (max(before[0], read), max(before[1], _count(usage, "output_tokens")))

    def told(self, session: str, cost: Any, models: Any) -> None:
        """The agent's own total of a session; later tellings replace earlier ones."""
        each = [model for model in models.values() if isinstance(model, dict)] if isinstance(models, dict) else []
        read = sum(_count(model, name) for model in each for name in _READ_TOLD)
        written = sum(_count(model, "outputTokens") for model in each)
        self._sessions[session] = Usage(read, written, _decimal(cost))

    def total(self) -> Usage:
        counted = Usage(
            sum(read for read, _ in self._messages.values()), sum(out for _, out in self._messages.values())
        )
        told = list(self._sessions.values())
        costs = [float(usage.cost_usd) for usage in told if usage.cost_usd is not None]
        return Usage(
            max(counted.input_tokens, sum(usage.input_tokens for usage in told)),
            max(counted.output_tokens, sum(usage.output_tokens for usage in told)),
            _decimal(sum(costs)) if costs else None,
        )


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
