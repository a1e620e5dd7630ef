"""One executor as a process would wire it, over a modelled cluster: it lists, hears of changes, and works when it must.

Nothing is looked at without a reason: a change that a watch shows, a pass that failed, or the time a plan asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, UID
from tests.support.cluster_model import ClusterModel, Died, bug_command, copied, definition
from tests.support.fake_kube import FakeKube

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.plan import Event
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor.act import Actor, Confirm, unfenced
from bugcommand_operator.executor.asking import AT_ONCE, Asking, Sort
from bugcommand_operator.executor.events import EventPoster
from bugcommand_operator.executor.fence import Fence
from bugcommand_operator.executor.handlers import Routes
from bugcommand_operator.executor.news import News
from bugcommand_operator.executor.reconcile import Reconciler
from bugcommand_operator.executor.registry import Registry
from bugcommand_operator.executor.resync import Resync
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.world import Key, World
from bugcommand_operator.manifests.install import Install

INSTALL = Install(operator_image="operator:1", agent_image="agent:1", network_policy={"policyTypes": ["Egress"]})
Raw = dict[str, Any]
KINDS = ("Repository", "Agent", "Pod", "PersistentVolumeClaim", "BugCommand")


class Told(EventPoster):
    """Events are kept, and posted only where somebody wants to see that too."""

    is_posting = False

    def __init__(self, kube: FakeKube) -> None:
        super().__init__(kube, "test")
        self.events: list[Event] = []

    def post(self, command: Command, event: Event) -> None:
        self.events.append(event)
        if self.is_posting:
            super().post(command, event)


@dataclass
class OperatorProcess:
    cluster: ClusterModel
    identity: Identity = ME
    limits: Limits = LIMITS
    install: Install = INSTALL
    kube_of: Callable[[ClusterModel], FakeKube] = FakeKube
    confirm: Confirm = unfenced
    hears: bool = True
    """False: its watches have stalled without a word."""
    turns_at_once: Mapping[Sort, int] = field(default_factory=lambda: AT_ONCE)
    registry_of: Callable[[FakeKube, Callable[[], None]], Registry] | None = None
    """Over which connection, and what to do when an executor has come or gone. None: it knows of no other."""
    due: dict[Key, datetime] = field(default_factory=dict)
    errors: list[ClusterError] = field(default_factory=list)
    _pending: list[tuple[str, Raw]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kube = self.kube_of(self.cluster)
        self.world = World(self.limits.ageing, self.local_clock)
        self.told = Told(self.kube)
        self.registry = self.registry_of(self.kube, self._look_at_all_anew) if self.registry_of else None
        if self.registry is not None:
            self.world.registry = self.registry.executors
            self.confirm = Fence(self.kube, self.world, self.registry).confirm
        actor = Actor(self.kube, self.world, self.install, self.confirm)
        self.turns = Turns(self.world, self.identity, self.limits, self.enqueue)
        self.reconciler = Reconciler(
            self.kube, self.world, actor, self.told, self.identity, self.limits, self.turns, self.local_clock
        )
        self.world.claim_was_shown = self.reconciler.claim_was_shown
        self.reconciler.asking = Asking(self.enqueue, self.turns_at_once, self.local_clock)
        self.routes = Routes(self.world, self.enqueue, self.turns.call_up, self.enqueue)
        self.news = News(self.world.echoes, self.routes.past_kopf)
        self.resync = Resync(self.kube, self.world, [], self.enqueue)
        self.cluster.watchers.append(self._heard)

    def local_clock(self) -> float:
        return self.cluster.now.timestamp()

    def enqueue(self, key: Key) -> None:
        self.due[key] = self.cluster.now

    def _look_at_all_anew(self) -> None:
        for key in self.world.commands.items:
            self.enqueue(key)

    def die(self) -> None:
        self.cluster.watchers.remove(self._heard)

    async def start(self) -> OperatorProcess:
        await self.resync.first()
        return self

    async def work(self) -> None:
        """Everything that is due, until nothing is."""
        for _ in range(20):
            await self.hear()
            self.reconciler.starting.wake(self.enqueue)
            keys = [key for key, at in self.due.items() if at <= self.cluster.now]
            if not keys:
                return
            for key in keys:
                await self.one(key)

    @property
    def unheard(self) -> int:
        return len(self._pending)

    def watch_anew(self) -> None:
        """A watch begins with all that is there; what went away meanwhile is not told of."""
        self._watch_after(dict.fromkeys(KINDS, 0))

    def watch_from_the_first_list(self) -> None:
        """With what has changed since each kind was listed."""
        self._watch_after({kind: int(version) for (kind, _), version in self.resync._unwatched.items()})

    def _watch_after(self, versions: Mapping[str, int]) -> None:
        self._pending = [
            ("ADDED", copied(obj))
            for kind in KINDS
            for obj in self.cluster.of_kind(kind)
            if int(obj["metadata"]["resourceVersion"]) > versions[kind]
        ]
        self.hears = True

    async def hear(self, most: int | None = None) -> None:
        """In the order in which it was written."""
        events, self._pending = self._pending[:most], self._pending[len(self._pending[:most]) :]
        for kind, obj in events:
            line = json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode()
            if not self.news.goes_on(obj["kind"], line):
                continue
            route = {
                "BugCommand": self.routes.command,
                "Pod": self.routes.pod,
                "PersistentVolumeClaim": self.routes.volume,
                "Repository": self.routes.repository,
                "Agent": self.routes.agent,
            }.get(obj["kind"])
            if route is not None:
                await route({"type": kind, "object": obj})  # type: ignore[typeddict-item]

    async def one(self, key: Key) -> None:
        del self.due[key]
        try:
            again = await self.reconciler.reconcile(key)
        except ClusterError as error:
            self.errors.append(error)
            again = 5.0  # stands for the queue's back-off
        if again is not None:
            at = self.cluster.now + timedelta(seconds=max(again, 0.001))
            self.due[key] = min(at, self.due.get(key, at))

    def _heard(self, kind: str, obj: Raw) -> None:
        if self.hears:
            self._pending.append((kind, obj))


def populated(cluster: ClusterModel, commands: Iterable[Raw] | None = None) -> ClusterModel:
    """A Repository, an Agent, and one command unless others are given."""
    cluster.create(definition("Repository", "shop", NAMESPACE, url="https://git.example.test/shop.git"))
    cluster.create(definition("Agent", "claude", NAMESPACE))
    for command in commands if commands is not None else [bug_command(NAME, NAMESPACE, UID)]:
        cluster.create(command)
    cluster.calls.clear()
    return cluster


async def live(cluster: ClusterModel, process: OperatorProcess, steps: int = 40) -> OperatorProcess:
    """Steps of the cluster and of the process in turn; when it dies another one is started in its place."""
    for _ in range(steps):
        try:
            await process.work()
        except Died:
            process.die()
            process = await OperatorProcess(cluster, process.identity, process.limits, process.install).start()
        cluster.step()
    return process
