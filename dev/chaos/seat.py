"""One executor's place in a schedule: the process that sits there, until it is killed, and the one that follows it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.cluster_model import ClusterModel
from tests.support.fake_kube import FakeKube
from tests.support.operator_process import OperatorProcess

from bugcommand_operator.api.executor import ExecutorSpec
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.reach import Reach
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor import joining, positions
from bugcommand_operator.executor.asking import Sort
from bugcommand_operator.executor.positions import Positions
from bugcommand_operator.executor.registry import Registry
from bugcommand_operator.executor.resync import EVERY_SECONDS
from bugcommand_operator.executor.sweeper import Sweeper
from bugcommand_operator.executor.tails import Tails
from bugcommand_operator.executor.world import Key
from bugcommand_operator.manifests.registry import Entry
from bugcommand_operator.store.lines import AttemptKey, LogLine, LogRow, Progress
from dev.chaos.clock import NOW
from dev.chaos.points import Line, Parked, ParkingKube

LIST, TAILS, EVENTS, JOIN = "list", "tails", "events", "join"
REGISTRY, POSITIONS, SWEEP = "registry", "positions", "sweep"
LEASE_SECONDS = 30
"""Long enough for looks without a gap, though a round of a schedule is up to nine seconds."""
SWEEP_SECONDS = 30.0
Name = str | Key
MOST_LINES = 2


class Logs:
    """A log store in which each attempt that works says one line whenever it is asked about."""

    def __init__(self, cluster: ClusterModel) -> None:
        self._cluster = cluster
        self._lines: dict[AttemptKey, int] = {}

    async def progress(self, command_ids: Any) -> Mapping[AttemptKey, Progress]:
        for uid, attempt in self._cluster.kubelet.prompts:
            if uid in command_ids:
                key = AttemptKey("team-a", uid, int(attempt))
                self._lines[key] = min(self._lines.get(key, 0) + 1, MOST_LINES)
        return {key: Progress(count, count) for key, count in self._lines.items()}

    async def tail(self, key: AttemptKey, limit: int) -> list[LogLine]:
        return [LogLine(n + 1, "stdout", self._cluster.now, "a line") for n in range(self._lines[key])][-limit:]

    async def read(self, *_: Any, **__: Any) -> list[LogRow]:
        raise AssertionError("the executor reads no pages")


@dataclass
class Round:
    """What a process does again and again, so long after it was last done."""

    every: float
    act: Callable[[], Awaitable[object]]
    due_at: datetime


@dataclass(eq=False)
class Seat:
    cluster: ClusterModel
    identity: Identity
    limits: Limits
    turns: int
    skew: timedelta = timedelta()
    has_registry: bool = False
    pods: int = 0
    """One that is started anew in its pod holds its Lease yet; in a new pod it has to wait until that is dead."""
    is_paused: bool = False
    is_away_until: int = 0
    """The round from which it may go on."""
    process: OperatorProcess | None = None
    line: Line = field(init=False)
    tasks: dict[Name, asyncio.Task[Any]] = field(default_factory=dict)
    rounds: dict[Name, Round] = field(default_factory=dict)
    has_joined: bool = False
    has_listed: bool = False
    lists_at: datetime | None = None
    lives: int = 0
    _tails: Tails | None = None

    @property
    def name(self) -> str:
        return self.identity.executor

    def now(self) -> datetime:
        return self.cluster.now + self.skew

    def elapsed(self) -> float:
        return self.cluster.now.timestamp()

    # --- its life

    def begin(self) -> None:
        reach = Reach(lambda: self.cluster.now, self.elapsed)
        self.line, self.tasks, self.has_listed = Line(reach, lambda: self.cluster.now), {}, False
        self.is_paused, self.lives = False, self.lives + 1
        line = self.line
        process = OperatorProcess(
            self.cluster,
            self.identity,
            self.limits,
            hears=False,
            kube_of=lambda cluster: ParkingKube(cluster, line),
            turns_at_once=dict.fromkeys(Sort, self.turns),
            registry_of=self._registry if self.has_registry else None,
        )
        self.process = process
        self._set_rounds(process)
        self._tails = Tails(process.kube, process.world, Logs(self.cluster), self.name, process.enqueue)
        process.told.is_posting = True
        self._start(EVENTS, process.told.run())
        self.has_joined = process.registry is None
        if self.has_joined:
            self.list_anew()

    def _registry(self, kube: FakeKube, news: Callable[[], None]) -> Registry:
        pod = f"{self.name}-pod-{self.pods}"
        entry = Entry(
            namespace="mentu-system",
            spec=ExecutorSpec(instance_id=self.name, machine_id=self.identity.machine, capacity=self.limits.executor),
            pid=pod,
            holder=pod,
            started_at=self.cluster.now,
            lease_seconds=LEASE_SECONDS,
        )
        return Registry(kube, entry, news=news, clock=self.elapsed)

    def _set_rounds(self, process: OperatorProcess) -> None:
        now, places = self.cluster.now, Positions(process.kube, process.world)
        sweeper = Sweeper(process.kube, process.world, process.told)
        self.rounds = {
            POSITIONS: Round(positions.EVERY_SECONDS, places.round, now),
            SWEEP: Round(SWEEP_SECONDS, sweeper.once, now),
        }
        registry = process.registry
        if registry is not None:
            self.rounds[JOIN] = Round(registry.every, lambda: joining.step(registry), now)
            self.rounds[REGISTRY] = Round(registry.every, registry.round, now)

    def goes_on(self, *, is_cut_off: bool) -> None:
        """What a process does whatever it works on: its pulse, and the renewal of its Lease."""
        self.line.reach.pulse()
        if is_cut_off:
            self.line.reach.failed(self.elapsed(), writes=True)

    def die(self) -> list[Parked]:
        """Answers what was on its way: the API server may still see it."""
        assert self.process is not None
        self.line.is_dead = True
        for task in self.tasks.values():
            task.cancel()
        self.process.die()
        self.process = None
        return [call for call in self.line.parked if not call.has_taken_effect]

    # --- what it can do next

    def due(self) -> list[Key]:
        assert self.process is not None
        if not self.has_listed:
            return []
        at = self.cluster.now
        return [key for key, when in self.process.due.items() if when <= at and key not in self.tasks]

    def work(self, key: Key) -> None:
        assert self.process is not None
        self._start(key, self.process.one(key))

    def hear(self, most: int) -> None:
        """At once, as kopf's handlers do it: they ask nobody."""
        assert self.process is not None
        telling = self.process.hear(most)
        context = copy_context()
        context.run(NOW.set, self.now)
        with contextlib.suppress(StopIteration):
            context.run(telling.send, None)
            raise AssertionError("a handler waited for something")

    def list_anew(self) -> None:
        assert self.process is not None
        resync = self.process.resync
        self._start(LIST, resync.once() if self.has_listed else resync.first())

    def due_rounds(self) -> list[Name]:
        ready: dict[Name, bool] = {JOIN: not self.has_joined, REGISTRY: self.has_joined}
        return [
            name
            for name, each in self.rounds.items()
            if ready.get(name, self.has_listed) and name not in self.tasks and self.cluster.now >= each.due_at
        ]

    def go_round(self, name: Name) -> None:
        async def act() -> object:
            return await self.rounds[name].act()

        self._start(name, act())

    def must_list(self) -> bool:
        if not self.has_joined:
            return False
        late = self.lists_at is not None and self.cluster.now >= self.lists_at
        return LIST not in self.tasks and (late or not self.has_listed)

    def look_at_logs(self) -> None:
        assert self._tails is not None
        self._start(TAILS, self._tails.round())

    def reap(self) -> list[BaseException]:
        """Tasks that have ended; what they should not have ended with."""
        wrong: list[BaseException] = []
        for name, task in [(n, t) for n, t in self.tasks.items() if t.done()]:
            del self.tasks[name]
            if task.cancelled():
                continue
            error = task.exception()
            if name == LIST:
                self._listed(error)
            if name in self.rounds:
                self._went_round(name, has_joined=name == JOIN and error is None and task.result())
            is_tried_again = name == LIST or name in self.rounds
            if error is not None and not (is_tried_again and isinstance(error, ClusterError)):
                wrong.append(error)
        return wrong

    def _went_round(self, name: Name, *, has_joined: bool) -> None:
        self.rounds[name].due_at = self.cluster.now + timedelta(seconds=self.rounds[name].every)
        self.has_joined = self.has_joined or has_joined

    def _listed(self, error: BaseException | None) -> None:
        """As the process does it: the first list is tried until it succeeds, later ones when their time has come."""
        self.lists_at = self.cluster.now + timedelta(seconds=EVERY_SECONDS)
        if error is None and not self.has_listed and self.process is not None:
            self.has_listed = True
            self.process.watch_from_the_first_list()

    def _start(self, name: Name, work: Coroutine[Any, Any, Any]) -> None:
        context = copy_context()
        context.run(NOW.set, self.now)
        self.tasks[name] = asyncio.get_running_loop().create_task(work, context=context)
