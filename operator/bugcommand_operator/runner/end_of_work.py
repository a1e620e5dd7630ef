"""Decide when an interactive agent's work has ended and how it is made to leave. Pure: a table test covers each rule.

An interactive agent does not exit by itself. Its work has ended when its turn ended (hook), nothing of it runs in the
background, the transcript is quiet and nobody is attached. Then it is asked to leave (Ctrl-C, which also clears what
somebody left in the input box, so nothing is ever submitted by accident), and ended if it will not.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .model_errors import ModelError

ASKS = 5
ASK_EVERY = 0.3
KILL_AFTER = 3.0
RESEND_AFTER = (5.0, 10.0, 20.0, 40.0, 60.0)


class Step(enum.Enum):
    WAIT = "wait"
    RESEND = "resend"  # the model was overloaded or away: tell the agent to go on
    ASK = "ask"  # one more Ctrl-C
    TERM = "term"
    KILL = "kill"
    FINISHED = "finished"


@dataclass(frozen=True)
class Limits:
    quiet: float
    exit_grace: float
    background: float
    patience: float
    inferred_quiet: float


@dataclass(frozen=True)
class Observed:
    """All times are of one monotonic clock."""

    exited: bool = False
    must_end: bool = False  # timeout, or the pod is being ended
    stopped: bool = False  # a hook said that the turn ended, and nothing began since
    seems_stopped: bool = False  # the transcript looks like it, but no hook said so
    background: int = 0
    open_tools: int = 0
    last_growth: float = 0.0
    attached: bool = False
    error: ModelError | None = None
    error_since: float | None = None
    resends: int = 0
    last_resend: float | None = None
    asks: int = 0
    asked_first: float | None = None
    asked_last: float | None = None
    termed_at: float | None = None
    killed: bool = False


def next_step(seen: Observed, limits: Limits, now: float) -> Step:
    if seen.exited:
        return Step.FINISHED
    if seen.asked_first is not None:
        return _insist(seen, seen.asked_first, limits, now)
    if seen.must_end:
        return Step.ASK
    if seen.attached or not turn_is_over(seen, limits, now):
        return Step.WAIT
    if _may_pass(seen, limits, now):
        return Step.RESEND if _resend_is_due(seen, now) else Step.WAIT
    return Step.ASK


def turn_is_over(seen: Observed, limits: Limits, now: float) -> bool:
    """Everything but the question whether somebody is attached, which costs a process to ask."""
    quiet = now - seen.last_growth
    if seen.open_tools:
        return False
    if seen.stopped:
        return quiet >= (limits.background if seen.background else limits.quiet)
    return seen.seems_stopped and quiet >= limits.inferred_quiet


def _may_pass(seen: Observed, limits: Limits, now: float) -> bool:
    if seen.error is None or not seen.error.passing or seen.error_since is None:
        return False
    return now - seen.error_since < limits.patience


def _resend_is_due(seen: Observed, now: float) -> bool:
    wait = RESEND_AFTER[min(seen.resends, len(RESEND_AFTER) - 1)]
    return now - max(seen.last_growth, seen.last_resend or 0.0) >= wait


def _insist(seen: Observed, asked_first: float, limits: Limits, now: float) -> Step:
    if seen.termed_at is not None:
        return Step.KILL if not seen.killed and now - seen.termed_at >= KILL_AFTER else Step.WAIT
    if now - asked_first >= limits.exit_grace:
        return Step.TERM
    since = now - (seen.asked_last if seen.asked_last is not None else asked_first)
    return Step.ASK if seen.asks < ASKS and since >= ASK_EVERY else Step.WAIT
