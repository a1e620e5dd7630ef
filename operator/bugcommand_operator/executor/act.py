"""Carries out a plan's actions against the API server. Each may be repeated: what is done already is found done. None
is begun before the fence has let it through (`fence.py`), and what is changed is the very object that was observed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from bugcommand_operator.api.names import (
    API_VERSION,
    FINALIZER,
    LABEL_ATTEMPT,
    LABEL_COMMAND_UID,
    LABEL_KEPT,
    VOLUME_GATE,
)
from bugcommand_operator.cluster.errors import AlreadyExists, NotFound, Refused
from bugcommand_operator.cluster.kube import Kube, Raw
from bugcommand_operator.core.observed import Command, Observed, Pod, Volume
from bugcommand_operator.core.plan import (
    Action,
    CreatePod,
    DeleteCommand,
    DeletePod,
    DeleteVolume,
    HoldFinalizer,
    KeepVolume,
    OpenGate,
    OwnVolume,
    Prepare,
    ReleaseFinalizer,
)
from bugcommand_operator.core.reading import pod_from
from bugcommand_operator.executor.world import Shelf, World
from bugcommand_operator.manifests.agent_pod import agent_pod
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.network_policy import agents_network_policy
from bugcommand_operator.manifests.parts import owner
from bugcommand_operator.manifests.publish_pod import publish_pod, rescue_pod
from bugcommand_operator.manifests.ship_pod import ship_pod
from bugcommand_operator.manifests.volumes import checkout_volume, mirror_volume, worktree_volume

Confirm = Callable[[Command], Awaitable[None]]


async def unfenced(_observed: Command) -> None:
    """There is no registry, so nobody takes anything over."""


class Actor:
    def __init__(self, kube: Kube, world: World, install: Install, confirm: Confirm = unfenced) -> None:
        self._confirm = confirm
        self._kube = kube
        self._world = world
        self._install = install
        self._governed: set[str] = set()
        """Namespaces whose network policy this process has seen to."""

    async def carry_out(self, seen: Observed, actions: tuple[Action, ...]) -> None:
        for action in actions:
            await self._confirm(seen.command)
            await self._do(seen, action)

    async def _do(self, seen: Observed, action: Action) -> None:
        match action:
            case Prepare(agent_pod):
                await self._prepare(seen, agent_pod)
            case HoldFinalizer() | ReleaseFinalizer() | DeleteCommand():
                await self._do_to_command(seen, action)
            case CreatePod(role):
                await self._create_pod(seen, role)
            case OpenGate(name):
                await self._open_gate(seen, name)
            case DeletePod(name, uid, only_version):
                await self._delete("Pod", seen, name, uid, only_version)
            case DeleteVolume(name):
                await self._delete("PersistentVolumeClaim", seen, name, _observed_volume(seen).uid)
            case OwnVolume(name):
                as_observed = {"resourceVersion": _observed_volume(seen).version}
                await self._patch_volume(seen, name, {**as_observed, "ownerReferences": [owner(seen.command)]})
            case KeepVolume(name):
                await self._patch_volume(seen, name, {"labels": {LABEL_KEPT: "true"}})

    async def _do_to_command(self, seen: Observed, action: HoldFinalizer | ReleaseFinalizer | DeleteCommand) -> None:
        match action:
            case HoldFinalizer():
                await self._hold(seen)
            case ReleaseFinalizer():
                await self._release(seen)
            case DeleteCommand():
                await self._delete_command(seen.command)

    async def _prepare(self, seen: Observed, agent_pod: bool) -> None:
        """The pod has an owner and a gate, so it need not wait for anything, and nothing competes with it. The volume
        has no owner: it is not made before the finalizer holds that will see to its end."""
        if agent_pod:
            await self._create_pod(seen, "agent")
        await self._finalizer_then_volumes(seen)

    async def _finalizer_then_volumes(self, seen: Observed) -> None:
        if not seen.command.holds_finalizer:
            await self._hold(seen)
        await self._ensure_volumes(seen)

    async def _hold(self, seen: Observed) -> None:
        await self._set_finalizers(seen, (*seen.command.finalizers, FINALIZER))

    async def _set_finalizers(self, seen: Observed, finalizers: tuple[str, ...]) -> None:
        command = seen.command
        meta = {"finalizers": list(finalizers), "resourceVersion": command.resource_version}
        try:
            answer = await self._kube.patch("BugCommand", command.namespace, command.name, {"metadata": meta})
        except NotFound:
            self._world.command_is_gone(command.key, command.uid)
            raise
        if answer["metadata"].get("deletionTimestamp") and not answer["metadata"].get("finalizers"):
            self._world.command_is_gone(command.key, command.uid)
        else:
            self._world.put_command(answer)

    async def _delete_command(self, command: Command) -> None:
        """Raises Conflict when anything about it has changed: it may be wanted again."""
        try:
            answer = await self._kube.delete(
                "BugCommand", command.namespace, command.name, command.uid, command.resource_version
            )
        except NotFound:
            self._world.command_is_gone(command.key, command.uid)
            raise
        if (answer.get("metadata") or {}).get("finalizers"):
            self._world.put_command(answer)
        else:
            self._world.command_is_gone(command.key, command.uid)

    async def _release(self, seen: Observed) -> None:
        with contextlib.suppress(NotFound):  # gone already: that is what releasing is for
            await self._set_finalizers(seen, tuple(f for f in seen.command.finalizers if f != FINALIZER))

    async def _ensure_volumes(self, seen: Observed) -> None:
        command, repository = seen.command, seen.repository
        assert repository is not None  # noqa: S101 - decide starts nothing without one
        shared = []
        if repository.mirror.enabled:
            shared.append(mirror_volume(command.namespace, command.spec.repository.name, repository))
        if not command.spec.with_worktree:
            shared.append(checkout_volume(command, repository))
        for manifest in shared:
            manifest["metadata"]["ownerReferences"] = [self._repository_owner(seen)]
        own = [self._ensure_own(seen, worktree_volume(command, repository))] if command.spec.with_worktree else []
        await _all_of([*own, *map(self._ensure_volume, shared), self._govern(command.namespace)])

    async def _ensure_own(self, seen: Observed, manifest: Raw) -> None:
        """An earlier attempt's volume may be its command's, to go with it: this one's work is not safe yet. That it is
        marked for this attempt tells a late call which meant the earlier one's that it comes too late."""
        volume = await self._ensure_volume(manifest)
        if seen.command.attempt > 1 and volume.attempt != seen.command.attempt:
            marked = {LABEL_ATTEMPT: manifest["metadata"]["labels"][LABEL_ATTEMPT]}
            await self._patch_volume(
                replace(seen, volume=volume), volume.name, {"labels": marked, "ownerReferences": None}
            )

    def _repository_owner(self, seen: Observed) -> Raw:
        name = seen.command.spec.repository.name
        definition = self._world.repositories.items[seen.command.namespace, name]
        return {"apiVersion": API_VERSION, "kind": "Repository", "name": name, "uid": definition.uid}

    async def _ensure_volume(self, manifest: Raw) -> Volume:
        meta = manifest["metadata"]
        known = self._world.volumes.items.get((meta["namespace"], meta["name"]))
        wanted = meta["labels"].get(LABEL_COMMAND_UID)
        if known is not None and known.command_uid == wanted and not known.is_being_deleted:
            return known
        made = await self._create_or_get(manifest)
        volume = self._world.put_volume(made)
        if volume.command_uid != wanted or volume.is_being_deleted:
            raise Refused(
                f"A volume named {volume.name} is there already and is not this command's (an earlier command's kept "
                "work, or on its way out): save what you need of it, delete it, or make a BugCommand of another name."
            )
        return volume

    async def _govern(self, namespace: str) -> None:
        if self._install.network_policy is None or namespace in self._governed:
            return
        policy = agents_network_policy(namespace, self._install.network_policy)
        try:
            await self._kube.create(policy)
        except AlreadyExists:
            await self._kube.patch("NetworkPolicy", namespace, policy["metadata"]["name"], {"spec": policy["spec"]})
        self._governed.add(namespace)

    async def _create_pod(self, seen: Observed, role: str) -> None:
        manifest = self._pod(seen, role)
        made = await self._create_or_get(manifest)
        if pod_from(made).command_uid != seen.command.uid:
            name = manifest["metadata"]["name"]
            raise Refused(f"A pod named {name} is there already and is not this command's: delete it.")
        self._world.put_pod(made)

    async def _open_gate(self, seen: Observed, name: str) -> None:
        """Ours alone: a queueing system may keep the pod behind a gate of its own."""
        namespace = seen.command.namespace
        pod = seen.agent_pod
        assert pod is not None  # noqa: S101 - decide opens no other gate
        others = [{"name": gate} for gate in pod.gates if gate != VOLUME_GATE]
        body = {"metadata": {"uid": pod.uid}, "spec": {"schedulingGates": others or None}}
        try:
            answer = await self._kube.patch("Pod", namespace, name, body)
        except NotFound:
            self._world.pods.drop((namespace, name))
            return
        self._world.put_pod(answer)

    def _pod(self, seen: Observed, role: str) -> Raw:
        command, repository = seen.command, seen.repository
        if role == "ship":
            return ship_pod(command, self._install)
        assert repository is not None  # noqa: S101 - decide makes no other pod without one
        if role == "publish":
            return publish_pod(command, repository, self._install)
        if role == "rescue":
            return rescue_pod(command, repository, self._install)
        assert seen.agent is not None  # noqa: S101 - decide makes no agent pod without an Agent
        return agent_pod(command, repository, seen.agent, self._install)

    async def _create_or_get(self, manifest: Raw) -> Raw:
        """Names are deterministic: what is there already is what we made before a crash, or somebody else's."""
        meta = manifest["metadata"]
        try:
            return await self._kube.create(manifest)
        except AlreadyExists:
            return await self._kube.get(manifest["kind"], meta["namespace"], meta["name"])

    async def _delete(
        self, kind: str, seen: Observed, name: str, uid: str | None, only_version: str | None = None
    ) -> None:
        namespace = seen.command.namespace
        shelf: Shelf[Pod] | Shelf[Volume] = self._world.pods if kind == "Pod" else self._world.volumes
        try:
            answer = await self._kube.delete(kind, namespace, name, uid, only_version)
        except NotFound:
            shelf.drop((namespace, name))
            return
        shown_to_be_gone = (namespace, name) not in shelf.items
        if answer.get("kind") == kind and not shown_to_be_gone:
            (self._world.put_pod if kind == "Pod" else self._world.put_volume)(answer)

    async def _patch_volume(self, seen: Observed, name: str, metadata: Raw) -> None:
        namespace = seen.command.namespace
        body = {"metadata": {**metadata, "uid": _observed_volume(seen).uid}}
        try:
            answer = await self._kube.patch("PersistentVolumeClaim", namespace, name, body)
        except NotFound:
            self._world.volumes.drop((namespace, name))
            return
        self._world.put_volume(answer)


def _observed_volume(seen: Observed) -> Volume:
    assert seen.volume is not None  # noqa: S101 - decide does nothing to a volume that is not there
    return seen.volume


async def _all_of(steps: list[Awaitable[Any]]) -> None:
    """All are finished before the first error is raised: nothing of ours goes on behind a pass that has failed."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
