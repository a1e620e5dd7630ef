"""What one pass sees of the world, as values. Nothing here is remembered from an earlier pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.bugcommand import BugCommandSpec, BugCommandStatus
from bugcommand_operator.api.conditions import REFUSALS, WAITING_FOR_ROOM, Condition, ConditionType, Reason
from bugcommand_operator.api.names import FINALIZER, VOLUME_GATE, branch_name, commitment_id_from_uid
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.executors import ALONE, Executors
from bugcommand_operator.core.settings import Identity, Limits

PREPARATION = ("fetch", "workspace", "ship", "export")
MAIN = ("agent", "publish")
USUAL_WAITING = frozenset({None, "", "PodInitializing", "ContainerCreating"})


@dataclass(frozen=True)
class Command:
    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created_at: datetime
    deleted_at: datetime | None
    finalizers: tuple[str, ...]
    spec: BugCommandSpec
    status: BugCommandStatus

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def command_id(self) -> str:
        return self.status.command_id or self.spec.command_id or self.uid

    @property
    def commitment_id(self) -> str:
        return self.status.commitment_id or self.spec.commitment_id or commitment_id_from_uid(self.uid)

    @property
    def branch(self) -> str:
        return branch_name(self.commitment_id)

    @property
    def attempt(self) -> int:
        return self.status.attempt or 0

    @property
    def is_claimed(self) -> bool:
        return self.status.claim is not None

    @property
    def is_finished(self) -> bool:
        succeeded = self.condition_status(ConditionType.SUCCEEDED)
        return succeeded in {"True", "False"}

    @property
    def is_active(self) -> bool:
        return self.is_claimed and not self.is_finished

    @property
    def is_waiting(self) -> bool:
        return not self.is_claimed and not self.is_finished and not self.is_being_deleted

    @property
    def waits_for_room(self) -> bool:
        """As its status says it, so that all executors see the same queue."""
        return self.is_waiting and self.condition_reason(ConditionType.READY) in WAITING_FOR_ROOM

    @property
    def is_between_attempts(self) -> bool:
        """One has ended, and the command has not: nobody has claimed the next one yet."""
        return bool(self.attempt) and not self.is_claimed and not self.is_finished

    @property
    def is_asked_again(self) -> bool:
        """Somebody wants one more attempt after the last one. What was refused would be again, and a checkout may be
        another command's by now."""
        retry = self.spec.retry
        asked = self.attempt > 0 and retry is not None and retry.after_attempt == self.attempt
        refused = self.is_finished and self.condition_reason(ConditionType.SUCCEEDED) in REFUSALS
        return asked and self.spec.with_worktree and not self.spec.cancel and not refused

    @property
    def is_to_be_parked(self) -> bool:
        """Whoever cancels wants more than that; a plain checkout would be another command's meanwhile. Once its agent
        was asked to end there is no way back: it goes on in another attempt."""
        wanted = self.spec.suspend or self.condition_reason(ConditionType.READY) == Reason.SUSPENDING
        return self.is_active and wanted and self.spec.with_worktree and not self.spec.cancel

    @property
    def is_to_end(self) -> bool:
        """Or to rest: nothing new is begun for it."""
        return self.is_being_deleted or self.spec.cancel or self.is_to_be_parked

    @property
    def is_asked_to_end(self) -> bool:
        """While there is something to end: somebody waits for it."""
        return self.is_to_end and not self.is_finished

    @property
    def has_only_been_claimed(self) -> bool:
        """Nothing was made for it yet, so the claim can still be given back. The finalizer is the first thing that is
        made; a later attempt's is there from an earlier one."""
        is_untouched = self.status.pod_name is None and (not self.holds_finalizer or self.attempt > 1)
        return self.is_active and is_untouched

    @property
    def is_being_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def holds_finalizer(self) -> bool:
        return FINALIZER in self.finalizers

    @cached_property
    def _conditions(self) -> dict[str, Condition]:
        return {condition.type: condition for condition in self.status.conditions}

    def condition_status(self, type_: ConditionType) -> str | None:
        condition = self._conditions.get(type_)
        return condition.status if condition is not None else None

    def condition_reason(self, type_: ConditionType) -> str | None:
        condition = self._conditions.get(type_)
        return condition.reason if condition is not None else None


@dataclass(frozen=True)
class Container:
    """One container's state; at most one of waiting_reason, started_at alone, and exit_code says where it is."""

    name: str
    waiting_reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""

    @property
    def is_running(self) -> bool:
        return self.started_at is not None and self.exit_code is None

    @property
    def has_ended(self) -> bool:
        return self.exit_code is not None

    @property
    def is_on_its_way(self) -> bool:
        """It waits for no reason that anybody need know of, or prepares, or has prepared what it should."""
        if self.name in PREPARATION and (self.is_running or self.exit_code == 0):
            return True
        return self.started_at is None and not self.has_ended and self.waiting_reason in USUAL_WAITING


@dataclass(frozen=True)
class Pod:
    name: str
    uid: str
    command_uid: str | None
    """The UID that the pod's label and owner name; None when they disagree: then it is not ours."""
    phase: str
    is_being_deleted: bool
    created_at: datetime
    reason: str = ""
    message: str = ""
    unschedulable: str = ""
    is_scheduled: bool = True
    """False: no node has it, so nothing of it has run."""
    version: str = ""
    gates: tuple[str, ...] = ()
    """Keep it from the scheduler; ours is there until its volumes are bound."""
    containers: dict[str, Container] = field(default_factory=dict)

    @cached_property
    def has_ended(self) -> bool:
        """None of its work goes on: none of our containers restarts, so one that failed, or the main one's end, says it
        before the phase does. A sidecar that somebody injected has no say."""
        ours = (self.container(name) for name in (*PREPARATION, *MAIN))
        return self.phase in {"Succeeded", "Failed"} or any(
            c.has_ended and (c.exit_code != 0 or c.name in MAIN) for c in ours
        )

    @property
    def is_active(self) -> bool:
        return not self.has_ended

    @property
    def is_gated(self) -> bool:
        return VOLUME_GATE in self.gates

    def container(self, name: str) -> Container:
        return self.containers.get(name, Container(name))

    def has_only_got_on_since(self, before: Pod) -> bool:
        """Nothing is decided by the difference, if there is one: what a preparation has come to is told with the main
        container's start or end."""
        if replace(before, version=self.version, containers=self.containers) != self:
            return False
        names = self.containers.keys() | before.containers.keys()
        pairs = ((self.container(name), before.container(name)) for name in names)
        return all(now == then or (now.is_on_its_way and then.is_on_its_way) for now, then in pairs)


@dataclass(frozen=True)
class Volume:
    name: str
    command_uid: str | None
    is_owned: bool
    is_being_deleted: bool
    is_bound: bool = True
    storage_class: str = ""
    uid: str = ""
    is_kept: bool = False
    """Marked: its work may be nowhere else."""
    version: str = ""
    attempt: int = 0
    """The last one that it was made ready for."""


@dataclass(frozen=True)
class Load:
    """How full the places are that a new command would take, itself not counted. Of a command that has only been
    claimed: how full they were when it was, by those that came before it."""

    executor: int = 0
    machine: int = 0
    namespace: int = 0
    repository: int = 0
    checkout_taken_by: str | None = None
    commitment_taken_by: str | None = None


@dataclass(frozen=True)
class Observed:
    command: Command
    identity: Identity
    limits: Limits
    repository: RepositorySpec | None = None
    agent_name: str = "claude"
    agent: AgentSpec | None = None
    load: Load = Load()
    is_its_turn: bool = True
    """False: others come first, or there is no room."""
    place: int = 1
    """In the queue, counted from 1."""
    has_rival: bool = False
    """Another command of its commitment has not ended."""
    others_start_first: bool = False
    """As many pods as may wait for their volumes at once do so already, or many are to be claimed first."""
    claim_heard_for: timedelta | None = timedelta.max
    """For how long the watch has shown it as it is; None: not yet, so that claims that came before may be unseen."""
    executors: Executors = ALONE
    unchanged_for: timedelta = timedelta(0)
    """Of a command for strangers: for how long this executor has seen that nothing about it changes."""
    agent_pod: Pod | None = None
    publish_pod: Pod | None = None
    rescue_pod: Pod | None = None
    ship_pod: Pod | None = None
    stray_pods: tuple[Pod, ...] = ()
    """Of attempts but this one, as far as they are known: before it, and after a command's end also of the next one,
    whose claim was given back."""
    volume: Volume | None = None
    mirror: Volume | None = None
    volumes_bind_at_once: bool = False
    """False: a volume is bound only when its pod is scheduled, so that waiting for it would be for ever."""
    namespace_is_terminating: bool = False
    log_store_away_since: datetime | None = None
    """Since when the log store has not answered; None while it does, or while nobody has asked."""
    log_store_answers: bool = False
    reachable_since: datetime | None = None
    """Since when this executor has had the API server's answers without an outage; None: as long as anybody knows."""
    refused: str = ""
    """What the API server said when it last refused to make the agent's pod or volume; empty when it did not."""
