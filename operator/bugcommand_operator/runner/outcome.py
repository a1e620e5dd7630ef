"""How a run ended, as the pod's termination message tells it: always one JSON object of at most 3,500 bytes. Pure
but for the one write."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from .usage import Usage

LIMIT = 3500
EXIT_MODEL, EXIT_RAN, EXIT_TIMED_OUT, EXIT_RUNNER, EXIT_TERMINATED = 69, 120, 124, 125, 143


@dataclass(frozen=True)
class Outcome:
    """What is known of the agent once it is gone."""

    exit_code: int
    reason: str
    message: str
    lasting: bool = False
    """It would fail the same way again."""


@dataclass
class Report:
    outcome: Outcome
    session_id: str | None = None
    lines: int = 0
    last_sequence: int = 0
    unshipped: int = 0
    unshipped_parts: int = 0
    refused: int = 0
    usage: Usage = field(default_factory=Usage)
    checkpoint: str | None = None
    """The commit that the tree was last kept as."""
    started_at: str | None = None
    ended_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "exitCode": self.outcome.exit_code,
            "reason": self.outcome.reason,
            "message": self.outcome.message,
            "sessionId": self.session_id,
            "lines": self.lines,
            "lastSequence": self.last_sequence,
            "unshipped": self.unshipped,
            "unshippedParts": self.unshipped_parts,
            "refused": self.refused,
            "usage": self.usage.to_json(),
            **({"lasting": True} if self.outcome.lasting else {}),
            **({"checkpoint": self.checkpoint} if self.checkpoint else {}),
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
        }


def encode(content: dict[str, Any], limit: int = LIMIT) -> bytes:
    """The content as JSON within the limit; it is the message that gives way."""
    message = str(content.get("message", ""))
    data = _dump(content)
    while len(data) > limit and message:
        message = message[: max(0, len(message) - max(16, (len(data) - limit) // 4))]
        data = _dump({**content, "message": message + "…"})
    return data


def write(path: str, content: dict[str, Any]) -> None:
    data = encode(content)
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


def _dump(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
