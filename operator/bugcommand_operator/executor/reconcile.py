"""One pass over one command: observe, decide, act, write the status once. What it keeps between passes is whose turn it
is, and for how long it was patient; nothing of what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.names import (
    agent_pod_name,
    mirror_volume_name,
    pod_names,
    publish_pod_name,
    rescue_pod_name,
    ship_pod_name,
)
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.cluster.clock import local_clock
from bugcommand_operator.cluster.errors import Conflict, NotFound, Refused
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.storage_classes import StorageClasses
from bugcommand_operator.core.decide import decide, leave_to_its_executor
from bugcommand_operator.core.observed import Command, Load, Observed, Pod, Volume
from bugcommand_operator.core.plan import NOTHING, CreatePod, Event, Plan, Prepare
from bugcommand_operator.core.pods_in_question import is_let_go, pods_in_question
from bugcommand_operator.core.policies.claim_fence import comes_before
from bugcommand_operator.core.policies.room import shares_room
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.act import Actor
from bugcommand_operator.executor.asking import Asking, Sort, sort_of
from bugcommand_operator.executor.events import EventPoster
from bugcommand_operator.executor.patience import Patience
from bugcommand_operator.executor.starting import Starting
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.world import Key, World
from bugcommand_operator.manifests.volumes import workspace_volume_name

MOST_STEPS = 8
DEFAULT_AGENT = "claude"
log = structlog.get_logger()


class Reconciler:
    def __init__(
        self,
        kube: Kube,
        world: World,
        actor: Actor,
        events: EventPoster,
        identity: Identity,
        limits: Limits,
        turns: Turns,
        clock: Callable[[], float] = local_clock,
    ) -> None:
        self._kube = kube
        self._world = world
        self._actor = actor
        self._events = events
        self._identity = identity
        self._limits = limits
        self._classes = StorageClasses(kube)
        self._turns = turns
        self._patience = Patience(clock)
        self.starting = Starting(world, identity.executor, kube.now)
        self.asking = Asking(turns.call)
        self.written: list[Callable[[Command, BugCommandStatus, Pod | None], None]] = [metrics.count_written]
        """Told of each status that the API server has taken over the one that was observed; with the agent's pod."""

    async def reconcile(self, key: Key) -> float | None:
        """Returns after how many seconds to look again. Raises ClusterError when the API server did not go along.
        Events go out at the end of the pass: after a claim the pod comes first, and nothing competes with it."""
        told: list[tuple[Command, Event]] = []
        try:
            return await self._steps(key, told)
        finally:
            for command, event in told:
                self._events.post(command, event)

    def claim_was_shown(self, key: Key) -> None:
        """Where others could have claimed the same room, it goes on only now (`core/policies/claim_fence.py`)."""
        command = self._world.commands.items.get(key)
        if command is not None and self._may_have_taken_too_much(command):
            self._turns.call(key)

    async def _steps(self, key: Key, told: list[tuple[Command, Event]]) -> float | None:
        for _ in range(MOST_STEPS):
            command = self._world.commands.items.get(key)
            if command is None:
                self._patience.forget(key)
                self._needs_no_turn(key)
                return None
            plan = await self._one_step(command)
            told += [(command, event) for event in plan.events]
            if not (plan.go_on or plan.actions or plan.status):  # what it has written no watch tells us again
                return plan.look_again_after.total_seconds() if plan.look_again_after is not None else None
        return 1.0

    async def _one_step(self, command: Command) -> Plan:
        seen = Observed(command, self._identity, self._limits, executors=self._world.executors)
        if plan := leave_to_its_executor(seen, self._kube.now()):
            self._needs_no_turn(command.key)
            return plan
        is_called = command.is_waiting and self._turns.begin(command)
        has_to_wait = False
        try:
            plan = await self._decided(seen)
            has_to_wait = plan is None
        finally:
            if not has_to_wait:
                self.asking.leave(command.key)
                if is_called:
                    self._turns.end(command.key)
        self._notice_the_end(command)
        return plan or NOTHING

    def _needs_no_turn(self, key: Key) -> None:
        self.starting.give_back(key)
        self.asking.leave(key)

    async def _decided(self, seen: Observed) -> Plan | None:
        """And done, the fence's question included: nothing lies between what was seen and the act. None: it waits for
        its turn. Without a question to ask first, it may turn out that nothing is to be done, and no turn is needed."""
        command = seen.command
        key, sort = command.key, sort_of(command, command.key in self._world.called)
        asks_first = sort is Sort.START or self._must_ask(command)
        if asks_first and not self.asking.may_ask(key, sort):
            return None
        seen = await self._observe(seen)
        plan = decide(seen, self._kube.now())
        if (plan.actions or plan.status) and not self.asking.may_ask(key, sort):
            return None
        return await self._act_and_write(seen, plan)

    def _must_ask(self, command: Command) -> bool:
        pods, volumes, namespace = self._world.pods.items, self._world.volumes.items, command.namespace
        if any((namespace, name) not in pods for name in pods_in_question(command, self._kube.now())):
            return True
        if is_let_go(command) and (namespace, workspace_volume_name(command)) not in volumes:
            return True
        pod = pods.get((namespace, agent_pod_name(command.name, command.attempt)))
        return pod is not None and pod.is_gated and not all(map(self._classes.knows, self._unbound_classes(command)))

    def _notice_the_end(self, before: Command) -> None:
        after = self._world.commands.items.get(before.key)
        if before.is_active and (after is None or not after.is_active):
            self._turns.call_up()

    async def _act_and_write(self, seen: Observed, plan: Plan) -> Plan:
        try:
            return await self._carry_out(seen, plan)
        except Conflict:
            metrics.count_lost(seen.command, plan.status)
            raise

    async def _carry_out(self, seen: Observed, plan: Plan) -> Plan:
        try:
            if plan.status_first:
                await self._write_status(seen.command, plan.status)
            await self._actor.carry_out(seen, plan.actions)
        except Refused as error:
            if not any(isinstance(action, CreatePod | Prepare) for action in plan.actions):
                raise
            log.warning("refused by the API server", key="/".join(seen.command.key), error=str(error))
            self.starting.give_back(seen.command.key)
            plan = _without_creation(decide(_refused(seen, str(error)), self._kube.now()))
            await self._actor.carry_out(seen, plan.actions)
        if not plan.status_first:
            await self._write_status(seen.command, plan.status)
        return plan

    async def _write_status(self, observed: Command, status: BugCommandStatus | None) -> None:
        """Only over the version that was observed, or that our own finalizer has made of it."""
        current = self._world.commands.items.get(observed.key)
        if status is None or current is None or current.uid != observed.uid:
            return
        same = current.status == observed.status and current.generation == observed.generation
        version = current.resource_version if same else observed.resource_version
        body = {"metadata": {"resourceVersion": version}, "status": status_patch(observed.status, status)}
        answer = await self._kube.patch("BugCommand", observed.namespace, observed.name, body, status=True)
        self._world.put_command(answer)
        pod = self._world.pods.items.get((observed.namespace, status.pod_name or ""))
        for notice in self.written:
            notice(observed, status, pod)

    async def _observe(self, seen: Observed) -> Observed:
        world, command, namespace = self._world, seen.command, seen.command.namespace
        repository = self._repository_of(command)
        default_agent = (repository.default_agent if repository else "") or DEFAULT_AGENT
        agent_name = command.status.agent or command.spec.agent or default_agent
        agent = world.agents.items.get((namespace, agent_name))
        name, attempt, in_question = command.name, command.attempt, pods_in_question(command, self._kube.now())
        agent_pod = await self._pod(command, agent_pod_name(name, attempt), in_question)
        is_defined = repository is not None and agent is not None
        seen = replace(
            seen,
            repository=repository,
            agent_name=agent_name,
            agent=agent.spec if agent else None,
            load=self._load(command),
            is_its_turn=command.is_waiting and command.key in world.called,
            place=world.queue.place(world.turn_of(command)),
            claim_heard_for=world.heard_for(command),
            has_rival=world.has_rival(command),
            agent_pod=agent_pod,
            publish_pod=await self._pod(command, publish_pod_name(name, attempt), in_question),
            rescue_pod=await self._pod(command, rescue_pod_name(name, attempt), in_question),
            ship_pod=await self._pod(command, ship_pod_name(name, attempt), in_question),
            stray_pods=self._stray_pods(command),
            mirror=world.volumes.items.get((namespace, mirror_volume_name(command.spec.repository.name))),
            volume=await self._volume(command, workspace_volume_name(command), is_let_go(command)),
            log_store_away_since=world.log_store_away_since,
            log_store_answers=world.log_store_answers,
            others_start_first=self._others_start_first(command, agent_pod, is_defined=is_defined),
            volumes_bind_at_once=await self._bind_at_once(command, agent_pod),
            reachable_since=self._kube.reach.since(),
        )
        unchanged_for = self._patience.unchanged_for(seen)
        return replace(seen, unchanged_for=unchanged_for) if unchanged_for else seen

    def _others_start_first(self, command: Command, agent_pod: Pod | None, *, is_defined: bool) -> bool:
        """Only who could start now stands in line for it."""
        has_begun = agent_pod is not None or command.status.pod_name is not None
        if command.is_active and is_defined and not (has_begun or command.is_to_end):
            return not self.starting.may_start(command)
        self.starting.give_back(command.key)
        return False

    def _stray_pods(self, command: Command) -> tuple[Pod, ...]:
        attempts = set(range(1, command.attempt + 2 * command.is_finished)) - {command.attempt}
        names = (name for attempt in sorted(attempts) for name in pod_names(command.name, attempt))
        pods = self._world.pods.items
        return tuple(pod for name in names if (pod := pods.get((command.namespace, name))) is not None)

    def _may_have_taken_too_much(self, command: Command) -> bool:
        repository, has_rival = self._repository_of(command), self._world.has_rival(command)
        return command.has_only_been_claimed and shares_room(command.spec, self._limits, repository, has_rival)

    def _repository_of(self, command: Command) -> RepositorySpec | None:
        known = self._world.repositories.items.get((command.namespace, command.spec.repository.name))
        return known.spec if known else None

    def _load(self, command: Command) -> Load:
        room = self._world.room
        if not command.is_claimed:
            load = room.load_for(command, self._identity)
            taken = load.commitment_taken_by or self._world.commitment_held_by(command)
            return replace(load, commitment_taken_by=taken)
        if self._may_have_taken_too_much(command):
            return room.load_before(command, self._identity, lambda other: comes_before(other, command))
        return Load()

    async def _bind_at_once(self, command: Command, agent_pod: Pod | None) -> bool:
        """Asked only while a pod waits behind its gate for a volume that is not bound."""
        if agent_pod is None or not agent_pod.is_gated:
            return False
        return all([await self._classes.binds_at_once(name) for name in self._unbound_classes(command)])

    def _unbound_classes(self, command: Command) -> list[str]:
        names = workspace_volume_name(command), mirror_volume_name(command.spec.repository.name)
        volumes = (self._world.volumes.items.get((command.namespace, name)) for name in names)
        return sorted({volume.storage_class for volume in volumes if volume is not None and not volume.is_bound})

    async def _pod(self, command: Command, name: str, in_question: frozenset[str]) -> Pod | None:
        known = self._world.pods.items.get((command.namespace, name))
        if known is not None or name not in in_question:
            return known
        try:
            return self._world.put_pod(await self._kube.get("Pod", command.namespace, name))
        except NotFound:
            return None

    async def _volume(self, command: Command, name: str, must_know: bool) -> Volume | None:
        known = self._world.volumes.items.get((command.namespace, name))
        if known is not None or not must_know:
            return known
        try:
            return self._world.put_volume(await self._kube.get("PersistentVolumeClaim", command.namespace, name))
        except NotFound:
            return None


def _refused(seen: Observed, why: str) -> Observed:
    """In a namespace that is on its way out nothing new is made any more: that is no reason to wait."""
    return replace(seen, refused=why, namespace_is_terminating="because it is being terminated" in why)


def _without_creation(plan: Plan) -> Plan:
    kept = tuple(a for a in plan.actions if not isinstance(a, CreatePod | Prepare))
    return replace(plan, actions=kept, status_first=False)


def status_patch(before: BugCommandStatus, after: BugCommandStatus) -> dict[str, Any]:
    """The fields that differ; one that is gone is null, as a merge patch wants it."""
    old, new = before.to_dict(), after.to_dict()
    changed = {field: value for field, value in new.items() if old.get(field) != value}
    return {**changed, **{field: None for field in old if field not in new}}
