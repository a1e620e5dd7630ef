"""What `decide` answers: actions in order, the status to write once, Events to post after it, when to look again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from bugcommand_operator.api.bugcommand import BugCommandStatus


@dataclass(frozen=True)
class HoldFinalizer:
    pass


@dataclass(frozen=True)
class ReleaseFinalizer:
    pass


@dataclass(frozen=True)
class CreatePod:
    role: Literal["publish", "rescue", "ship"]


@dataclass(frozen=True)
class Prepare:
    """All that an agent's pod needs before it may run, made where it is absent: our finalizer, so that the work
    outlives a deletion; then the command's volume, the Repository's mirror and the namespace's network policy."""

    agent_pod: bool = False
    """Beside them, the pod itself: behind a gate that `OpenGate` opens, so it does not run before they are there."""


@dataclass(frozen=True)
class OpenGate:
    """Hands the pod to the scheduler: its volumes are bound."""

    name: str


@dataclass(frozen=True)
class DeletePod:
    name: str
    uid: str
    only_version: str | None = None
    """Delete it only if it is still exactly what was observed."""


@dataclass(frozen=True)
class OwnVolume:
    """The work is safe elsewhere: the volume may go with its command."""

    name: str


@dataclass(frozen=True)
class DeleteVolume:
    name: str


@dataclass(frozen=True)
class KeepVolume:
    """The work is only there: labelled, so that people and the sweeper know."""

    name: str


@dataclass(frozen=True)
class DeleteCommand:
    """The command itself, only if it is still exactly what was observed."""


Action = (
    HoldFinalizer
    | ReleaseFinalizer
    | Prepare
    | CreatePod
    | OpenGate
    | DeletePod
    | OwnVolume
    | DeleteVolume
    | KeepVolume
    | DeleteCommand
)


@dataclass(frozen=True)
class Event:
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Plan:
    actions: tuple[Action, ...] = ()
    status: BugCommandStatus | None = None
    status_first: bool = False
    """True: the status is the fence or the reason for what follows, so it is written before the actions."""
    events: tuple[Event, ...] = ()
    look_again_after: timedelta | None = None
    go_on: bool = False
    """True: this pass has made the next one possible, decide anew at once."""

    @property
    def only_waits(self) -> bool:
        """There is nothing to do by now."""
        return not (self.actions or self.status or self.events)

    def then(self, *actions: Action) -> Plan:
        return replace(self, actions=self.actions + actions)


NOTHING = Plan()
