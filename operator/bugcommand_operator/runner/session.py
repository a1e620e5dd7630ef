"""What both modes share while an agent runs: its lines, its clock, and why it has to end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from .config import RunConfig
from .journal import Journal
from .model_errors import ModelError
from .outcome import EXIT_MODEL, EXIT_TERMINATED, EXIT_TIMED_OUT, Outcome
from .processes import Children
from .recorder import Recorder
from .transcript import Transcript

NOT_STARTED = (126, 127)
TIMED_OUT, TERMINATED = "TimedOut", "Terminated"


class StartFailed(Exception):
    """The agent could not be started at all."""


@dataclass
class Session:
    config: RunConfig
    env: dict[str, str]
    prompt: str
    session_id: str
    journal: Journal
    children: Children
    scratch: Path
    started: float = field(default_factory=time.monotonic)
    terminate_at: float | None = None  # when SIGTERM came
    transcript: Transcript = field(default_factory=Transcript)
    agent_session: str | None = None
    recorder: Recorder | None = None

    def ending(self, now: float) -> str | None:
        """Why the agent has to end although it has not finished."""
        if self.terminate_at is not None:
            return TERMINATED
        return TIMED_OUT if now - self.started >= self.config.timeout_seconds else None

    def exit_grace(self) -> float:
        """How long it may take to leave: a pod that is being ended has less time than one that is not."""
        if self.terminate_at is None:
            return self.config.exit_grace_seconds
        return min(self.config.exit_grace_seconds, self.config.termination_grace_seconds / 5)


def outcome_of(session: Session, code: int, ending: str | None, asked: bool, error: ModelError | None) -> Outcome:
    """The reason that an outsider would give, most telling first."""
    if ending == TERMINATED:
        return Outcome(EXIT_TERMINATED, TERMINATED, "the pod was ended before the agent had finished")
    if ending == TIMED_OUT:
        seconds = f"{session.config.timeout_seconds:g}"
        return Outcome(EXIT_TIMED_OUT, TIMED_OUT, f"the agent did not finish within {seconds} s")
    if error is not None:
        code = EXIT_MODEL if asked or code == 0 else code
        return Outcome(code, error.reason, error.message, lasting=not error.passing)
    if code == 0 or asked:
        return Outcome(0, "Completed", "the agent finished")
    told = session.journal.last_stderr
    if code in NOT_STARTED:
        return Outcome(code, "AgentStartFailed", told or f"the agent could not be started (exit code {code})")
    return Outcome(code, "AgentFailed", f"the agent exited with {code}" + (f": {told}" if told else ""))
