"""What the states of a BugCommand mean for someone who watches: phases, new log lines, times. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FINISHED = ("Succeeded", "Failed", "Cancelled", "Refused")
AFTER_AGENT = ("Verifying", "Publishing", *FINISHED)


@dataclass(frozen=True)
class Timeline:
    """When something was first seen, in seconds of one clock."""

    applied: float
    claimed: float | None = None
    running: float | None = None
    ended: float | None = None
    finished: float | None = None

    def seconds(self) -> dict[str, float | None]:
        return {
            "claim": _between(self.applied, self.claimed),
            "workspace": _between(self.claimed, self.running),
            "agent": _between(self.running, self.ended),
            "total": _between(self.applied, self.finished),
        }


@dataclass(frozen=True)
class Seen:
    """How far the watching has come."""

    timeline: Timeline
    phase: str = ""
    sequence: int = 0


@dataclass(frozen=True)
class News:
    """What a new state brought."""

    phase: str = ""
    reason: str = ""
    lines: tuple[str, ...] = ()
    skipped: int = 0


def advance(seen: Seen, command: dict[str, Any], now: float) -> tuple[Seen, News]:
    status = command.get("status") or {}
    phase = str(status.get("phase") or "")
    logs = status.get("logs") or {}
    tail, last = tuple(logs.get("tail") or ()), int(logs.get("lastSequence") or 0)
    new = max(0, last - seen.sequence)
    news = News(
        phase=phase if phase != seen.phase else "",
        reason=_reason(status),
        lines=tail[max(0, len(tail) - new) :] if new else (),
        skipped=max(0, new - len(tail)),
    )
    return Seen(_mark(seen.timeline, status, phase, now), phase or seen.phase, max(last, seen.sequence)), news


def finished(seen: Seen) -> bool:
    return seen.phase in FINISHED


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found = (item for item in status.get("conditions") or [] if item.get("type") == kind)
    return next(found, {})


def _mark(timeline: Timeline, status: dict[str, Any], phase: str, now: float) -> Timeline:
    agent = condition(status, "AgentRunning")
    started = agent.get("status") == "True" or bool(status.get("agentStartTime"))
    happened = {
        "claimed": bool(status.get("claim")),
        "running": started,
        "ended": (started or timeline.running is not None) and (agent.get("status") == "False" or phase in AFTER_AGENT),
        "finished": phase in FINISHED,
    }
    marks = {name: now for name, seen in happened.items() if seen and getattr(timeline, name) is None}
    return replace(timeline, **marks)


def _reason(status: dict[str, Any]) -> str:
    """Why it waits or ended, in the operator's words."""
    for kind in ("Succeeded", "Stalled", "Ready"):
        found = condition(status, kind)
        if found.get("message"):
            return f"{found.get('reason', '')}: {found['message']}"
    return ""


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 2)


def result(command: dict[str, Any], timeline: Timeline) -> dict[str, Any]:
    """What the demo ends with, for programs to read."""
    status = command.get("status") or {}
    return {
        "phase": status.get("phase"),
        "commitmentId": status.get("commitmentId"),
        "branch": status.get("branch"),
        "headCommit": status.get("headCommit"),
        "logLines": (status.get("logs") or {}).get("lines", 0),
        "seconds": timeline.seconds(),
    }
