"""What an executor was told about itself: who it is and its limits. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Limits:
    executor: int = 4
    """Most commands that this executor runs at once: `kubectl apply -f dir/` must not start a hundred paid agents."""
    machine: int = 0
    """Most commands that all executors of this machine run at once; 0: as many as they may each."""
    namespace: int = 0
    """Most commands of one namespace that run at once; 0: no such limit."""
    ageing: timedelta = timedelta(seconds=60)
    """How long a command waits until its priority counts as one more; 0: it never does."""
    start: timedelta = timedelta(minutes=5)
    """How long a claimed command may take until its agent runs: images, Secrets, volumes, room on a node."""
    overdue: timedelta = timedelta(seconds=90)
    """The runner ends an agent at its timeout; this long after it the operator does, should the runner not."""
    drain: timedelta = timedelta(minutes=15)
    """How long a runner whose agent has ended waits for the log intake to take the last lines."""
    publish: timedelta = timedelta(minutes=10)
    rescue: timedelta = timedelta(minutes=10)
    """The finalizer's deadline: after it the volume is kept instead."""
    pod_template_keys: tuple[str, ...] = ()
    """Labels and annotations that a command may give its pod, beside those that anybody's may have."""


@dataclass(frozen=True)
class Identity:
    executor: str
    """Instance id, `bridge-{hostname}`: stable over restarts."""
    machine: str
