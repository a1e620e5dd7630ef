"""Runs a command through the pure core in a modelled cluster, a process that may die at any call included.

The controller here does what a plan says and nothing else; it remembers nothing between passes, so a crash is a pass
that ends early. What is observed may be one step old, as a watch may be late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.builders import AGENT, LIMITS, ME, NAME, NAMESPACE, REPOSITORY, UID
from tests.support.cluster_model import Call, ClusterModel, Died, bug_command, copied
from tests.support.kubelet import Kubelet, Script

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.names import (
    FINALIZER,
    LABEL_ATTEMPT,
    LABEL_KEPT,
    agent_pod_name,
    mirror_volume_name,
    pod_names,
    publish_pod_name,
    rescue_pod_name,
    ship_pod_name,
)
from bugcommand_operator.cluster.errors import AlreadyExists, ClusterError, NotFound, Refused
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Command, Observed, Pod
from bugcommand_operator.core.plan import (
    Action,
    CreatePod,
    DeleteCommand,
    DeletePod,
    DeleteVolume,
    KeepVolume,
    OpenGate,
    OwnVolume,
    Plan,
    Prepare,
    ReleaseFinalizer,
)
from bugcommand_operator.core.reading import command_from, pod_from, volume_from
from bugcommand_operator.core.settings import Limits
from bugcommand_operator.executor.reconcile import status_patch
from bugcommand_operator.manifests.agent_pod import agent_pod
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import owner
from bugcommand_operator.manifests.publish_pod import publish_pod
from bugcommand_operator.manifests.publish_pod import rescue_pod as rescue_pod_manifest
from bugcommand_operator.manifests.ship_pod import ship_pod
from bugcommand_operator.manifests.volumes import mirror_volume, workspace_volume_name, worktree_volume

INSTALL = Install(operator_image="operator:1", agent_image="agent:1")
Raw = dict[str, Any]
PATIENCE = 3


@dataclass(frozen=True)
class DeathAt:
    """The process dies at its n-th call, before or after the call has taken effect."""

    call: int
    after: bool


@dataclass
class Simulation:
    script: Script = field(default_factory=Script)
    spec: dict[str, Any] = field(default_factory=dict)
    dies: DeathAt | None = None
    is_late: bool = False
    """What is observed of pods and volumes is a step old, but for what must be known."""
    people: Callable[[Simulation, int], None] = lambda *_: None
    limits: Limits = LIMITS
    seconds: float = 5.0
    eventful: int = 0
    """Until this step somebody may still do something."""
    cluster: ClusterModel = field(init=False)
    statuses: list[BugCommandStatus] = field(default_factory=list)
    _old: dict[Any, Raw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster = ClusterModel(kubelet=Kubelet(self.script))
        self.cluster.create(bug_command(NAME, NAMESPACE, UID, **self.spec))
        self.cluster.calls.clear()
        self.cluster.before, self.cluster.after = self._before, self._after

    # --- the story

    def run(self, steps: int = 60) -> Simulation:
        """Ends early once nothing has changed for as long as anything may be waited for."""
        quiet = 0
        for step in range(steps):
            version = self.cluster.version()
            self.people(self, step)
            snapshot = dict(self.cluster.objects)
            self.one_pass()
            self._old = snapshot
            self.cluster.step(self.seconds)
            quiet = quiet + 1 if self.cluster.version() == version else 0
            if quiet > PATIENCE and step > self.eventful:
                break
        return self

    def one_pass(self) -> None:
        try:
            for _ in range(8):
                stored = self._command()
                if stored is None or not self._one_step(stored).go_on:
                    return
        except (ClusterError, Died):
            return

    def command(self) -> Command:
        found = self._command()
        assert found is not None
        return found

    def is_gone(self) -> bool:
        return self._command() is None

    def left(self) -> set[str]:
        """Pods and volumes of the command that are not marked as kept."""
        objects = [*self.cluster.of_kind("Pod"), *self.cluster.of_kind("PersistentVolumeClaim")]
        mine = [o for o in objects if o["metadata"]["name"].startswith(NAME)]
        return {o["metadata"]["name"] for o in mine if o["metadata"]["labels"].get(LABEL_KEPT) != "true"}

    def agent_pods_made(self) -> int:
        """Of the attempt that had the most."""
        made = Counter(o["metadata"]["name"] for o in self.cluster.created if o["kind"] == "Pod")
        return max((n for name, n in made.items() if name.endswith("-agent")), default=0)

    # --- what a user may do

    def cancel(self) -> None:
        self._by_hand(lambda obj: obj["spec"].update(cancel=True))

    def suspend(self, wanted: bool = True) -> None:
        self._by_hand(lambda obj: obj["spec"].update(suspend=wanted))

    def retry(self) -> None:
        """One more attempt after the last one, a cancellation taken back, as the command line asks for it."""

        def ask(obj: Raw) -> None:
            obj["spec"].update(cancel=False, retry={"afterAttempt": (obj.get("status") or {}).get("attempt")})

        self._by_hand(ask)

    def delete(self) -> None:
        obj = self.cluster.objects.get(("BugCommand", NAMESPACE, NAME))
        if obj is not None:
            self.cluster.mark_deleted(obj)

    def _by_hand(self, edit: Callable[[Raw], None]) -> None:
        obj = self.cluster.objects.get(("BugCommand", NAMESPACE, NAME))
        if obj is not None:
            changed = copied(obj)
            edit(changed)
            changed["metadata"]["generation"] += 1
            self.cluster._store(changed, "MODIFIED")

    # --- the controller

    def _one_step(self, stored: Command) -> Plan:
        seen = self.observe(stored)
        plan = decide(seen, self.cluster.now)
        try:
            if plan.status_first:
                self._write(stored, plan.status)
            for action in plan.actions:
                self._do(seen, action)
        except Refused as error:
            plan = replace(decide(replace(seen, refused=str(error)), self.cluster.now), actions=(), status_first=False)
        if not plan.status_first:
            self._write(stored, plan.status)
        return plan

    def observe(self, command: Command) -> Observed:
        must_know = command.is_being_deleted and command.holds_finalizer
        may_be_there = command.is_active and (
            command.status.pod_name is not None or command.attempt > 1 or command.is_to_be_parked
        )
        begins = command.is_between_attempts or command.is_asked_again
        n, attempt = command.name, command.attempt
        agent, publish, rescue, ship = (
            self._child("Pod", agent_pod_name(n, attempt), must_know or begins or may_be_there),
            self._child("Pod", publish_pod_name(n, attempt), must_know or begins),
            self._child("Pod", rescue_pod_name(n, attempt), must_know),
            self._child("Pod", ship_pod_name(n, attempt), must_know or begins),
        )
        volume = self._child("PersistentVolumeClaim", workspace_volume_name(command), must_know)
        mirror = self._child("PersistentVolumeClaim", mirror_volume_name("shop"), must_know=False)
        return Observed(
            command=command,
            identity=ME,
            limits=self.limits,
            repository=REPOSITORY,
            agent=AGENT,
            agent_pod=pod_from(agent) if agent else None,
            publish_pod=pod_from(publish) if publish else None,
            rescue_pod=pod_from(rescue) if rescue else None,
            ship_pod=pod_from(ship) if ship else None,
            stray_pods=self._strays(command),
            volume=volume_from(volume) if volume else None,
            mirror=volume_from(mirror) if mirror else None,
            volumes_bind_at_once=True,
        )

    def _strays(self, command: Command) -> tuple[Pod, ...]:
        attempts = set(range(1, command.attempt + 2 * command.is_finished)) - {command.attempt}
        names = (name for attempt in sorted(attempts) for name in pod_names(command.name, attempt))
        found = (self._child("Pod", name, must_know=False) for name in names)
        return tuple(pod_from(obj) for obj in found if obj)

    def _child(self, kind: str, name: str, must_know: bool) -> Raw | None:
        address = (kind, NAMESPACE, name)
        known = (self._old if self.is_late else self.cluster.objects).get(address)
        if known is None and must_know:
            return self.cluster.objects.get(address)
        return known

    def _command(self) -> Command | None:
        obj = self.cluster.objects.get(("BugCommand", NAMESPACE, NAME))
        return command_from(obj) if obj else None

    def _write(self, observed: Command, status: BugCommandStatus | None) -> None:
        current = self._command()
        if status is None or current is None:
            return
        same = (current.status, current.generation) == (observed.status, observed.generation)
        version = (current if same else observed).resource_version
        body = {"metadata": {"resourceVersion": version}, "status": status_patch(observed.status, status)}
        self.cluster.patch("BugCommand", NAMESPACE, NAME, body, status=True)
        self.statuses.append(status)

    def _do(self, seen: Observed, action: Action) -> None:
        cluster, command = self.cluster, seen.command
        match action:
            case Prepare(agent_pod):
                self._prepare(seen, agent_pod)
            case ReleaseFinalizer():
                self._finalizers(command, [f for f in command.finalizers if f != FINALIZER])
            case CreatePod(role):
                self._make(self._pod(seen, role), command.uid)
            case OpenGate(name):
                cluster.patch("Pod", NAMESPACE, name, {"spec": {"schedulingGates": None}})
            case DeletePod(name, uid, _):
                self._delete("Pod", name, uid)
            case DeleteVolume(name):
                self._delete("PersistentVolumeClaim", name, None)
            case OwnVolume(name):
                assert seen.volume is not None
                as_observed = {"resourceVersion": seen.volume.version}
                self._label(name, {**as_observed, "ownerReferences": [owner(command)]})
            case KeepVolume(name):
                self._label(name, {"labels": {LABEL_KEPT: "true"}})
            case DeleteCommand():
                self._delete("BugCommand", NAME, command.uid, command.resource_version)

    def _prepare(self, seen: Observed, with_pod: bool) -> None:
        """The pod is made beside the finalizer; that it comes first is the worst that can happen."""
        command = seen.command
        if with_pod:
            self._make(self._pod(seen, "agent"), command.uid)
        if not command.holds_finalizer:
            self._finalizers(command, [*command.finalizers, FINALIZER])
        self._make(worktree_volume(command, REPOSITORY), command.uid)
        volume = volume_from(self.cluster.get("PersistentVolumeClaim", NAMESPACE, workspace_volume_name(command)))
        if command.attempt > 1 and volume.attempt != command.attempt:
            self._label(volume.name, {"labels": {LABEL_ATTEMPT: str(command.attempt)}, "ownerReferences": None})
        self._make(mirror_volume(NAMESPACE, "shop", REPOSITORY), None)

    def _finalizers(self, command: Command, finalizers: list[str]) -> None:
        meta = {"finalizers": finalizers, "resourceVersion": command.resource_version}
        self.cluster.patch("BugCommand", NAMESPACE, NAME, {"metadata": meta})

    def _make(self, manifest: Raw, uid: str | None) -> None:
        try:
            self.cluster.create(manifest)
        except AlreadyExists:
            found = self.cluster.get(manifest["kind"], NAMESPACE, manifest["metadata"]["name"])
            view = pod_from(found) if manifest["kind"] == "Pod" else volume_from(found)
            if view.command_uid != uid:
                raise Refused("there already, and not ours") from None

    def _pod(self, seen: Observed, role: str) -> Raw:
        if role == "agent":
            return agent_pod(seen.command, REPOSITORY, AGENT, INSTALL)
        if role == "ship":
            return ship_pod(seen.command, INSTALL)
        build = publish_pod if role == "publish" else rescue_pod_manifest
        return build(seen.command, REPOSITORY, INSTALL)

    def _delete(self, kind: str, name: str, uid: str | None, version: str | None = None) -> None:
        try:
            self.cluster.delete(kind, NAMESPACE, name, uid, version)
        except NotFound:
            return

    def _label(self, name: str, metadata: Raw) -> None:
        try:
            self.cluster.patch("PersistentVolumeClaim", NAMESPACE, name, {"metadata": metadata})
        except NotFound:
            return

    # --- dying

    def _before(self, call: Call) -> None:
        if self.dies is not None and not self.dies.after and len(self.cluster.calls) == self.dies.call:
            self.cluster.calls.append(call)  # it dies once
            raise Died

    def _after(self, call: Call) -> None:
        if self.dies is not None and self.dies.after and len(self.cluster.calls) == self.dies.call + 1:
            self.cluster.calls.append(call)
            raise Died
