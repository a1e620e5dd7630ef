"""The registry of executors: keeps our own entry, and knows who else is alive.

A round renews our Lease and lists all entries and Leases. One that fails in any part counts as none, so while we cannot
write we judge nobody (`core/liveness.py` has the rule). By lists, not by a watch: a few small objects each few seconds,
always the API server's newest, and no stream that could stall without a word.

Entries go by themselves: those whose Lease has long been dead are deleted by whoever notices. Fairness and speed rest
on the registry; that each command is executed once rests on compare-and-set alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from bugcommand_operator.api.executor import ExecutorSpec
from bugcommand_operator.cluster.clock import local_clock
from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, Conflict, NotFound
from bugcommand_operator.cluster.kube import Kube, Raw
from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.liveness import NEVER, Lookout, Mark, is_dead, looked, may_be_alive, silent_for
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.lease import OwnLease, holder_of
from bugcommand_operator.manifests.registry import SELECTOR, Entry, executor_manifest, executor_status

ROUNDS_A_LEASE = 5
FORGOTTEN_AFTER = 3
"""Lease times after which a dead executor's entry is deleted."""
STATUS_SECONDS = 10.0
log = structlog.get_logger()


class Registry:
    def __init__(
        self,
        kube: Kube,
        entry: Entry,
        running: Callable[[], int] = lambda: 0,
        news: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = local_clock,
    ) -> None:
        self._kube = kube
        self._running = running
        self._news = news
        self._clock = clock
        self.entry = entry
        self._lease = OwnLease(kube, entry)
        seconds = float(entry.lease_seconds)
        self.every = seconds / ROUNDS_A_LEASE
        self.lookout = self._blank = Lookout(lease_seconds=seconds, longest_gap=seconds / 2)
        self.leases: dict[str, Raw] = {}
        self.entries: dict[str, Raw] = {}
        self._peers: tuple[Peer, ...] = ()
        self._renewed = NEVER
        self._told = NEVER
        self._turn = asyncio.Lock()

    def executors(self) -> Executors:
        now = self._clock()
        return Executors(
            live=self._peers,
            may_be_alive=may_be_alive(self.lookout, now),
            lease=timedelta(seconds=self.entry.lease_seconds),
            may_claim=now - self._renewed <= self.entry.lease_seconds,
        )

    def judge_anew(self) -> None:
        """Looks from before we could write say nothing about others, who perhaps could not write either."""
        self.lookout = self._blank

    def nobody_took_over(self) -> bool:
        """Whoever judges us has to wait for a lease time from when our last renewal was seen."""
        return self._clock() - self._renewed < self.entry.lease_seconds * 2 / 3

    async def run(self) -> None:
        """Raises CannotRun when our entry is another's by now."""
        while True:
            await asyncio.sleep(self.every)
            try:
                await self.round()
                metrics.LEASE_RENEWALS.labels("renewed").inc()
            except ClusterError as error:
                metrics.LEASE_RENEWALS.labels("failed").inc()
                log.warning("the registry was not reached", error=str(error))

    async def round(self) -> None:
        before = self.executors()
        async with self._in_time():
            await self.renew()
            await self.look()
        after = self.executors()
        if (before.live, before.may_be_alive, before.may_claim) != (after.live, after.may_be_alive, after.may_claim):
            self._news()
        async with self._in_time():
            await self.show_ourselves()
            await self._forget_the_dead()

    async def renew(self, over: str = "") -> None:
        """`over`: a version of our Lease that another process held."""
        wanted = self._clock()
        async with self._in_time(), self._turn:
            asked = self._clock()
            if not over and self._renewed > wanted:
                return  # somebody else's renewal, asked for since
            await (self._lease.take(over) if over else self._lease.renew())
            self._renewed = asked
            metrics.LEASE_RENEWED.set_to_current_time()

    async def look(self) -> None:
        """Entries before Leases: an entry is made after its Lease, so one without a Lease is a leftover."""
        asked, namespace = self._clock(), self.entry.namespace
        self.entries = _by_name(await self._kube.list("Executor", namespace, SELECTOR))
        self.leases = _by_name(await self._kube.list("Lease", namespace, SELECTOR))
        marks = {name: _mark(lease) for name, lease in self.leases.items()}
        self.lookout = looked(self.lookout, marks, asked, self._clock())
        self._peers = tuple(self._live_peers())

    def _live_peers(self) -> list[Peer]:
        specs = {name: spec_of(self.entries.get(name)) for name in sorted(self.leases) if self.is_in_use(name)}
        specs[self.entry.name] = self.entry.spec
        return [Peer(spec.instance_id, spec.machine_id, spec.capacity) for spec in specs.values() if spec is not None]

    def is_in_use(self, name: str) -> bool:
        """Held, and not dead: with the benefit of the doubt, which the dead have for a lease time."""
        return bool(holder_of(self.leases[name])) and not is_dead(self.lookout, name)

    async def show_ourselves(self) -> None:
        """Our Executor as it should be; its status now and again."""
        mine, wanted = self.entries.get(self.entry.name), executor_manifest(self.entry)
        if mine is None:
            mine = await self._kube.create(wanted)
        elif mine.get("spec") != wanted["spec"]:
            mine = await self._patch({"spec": wanted["spec"]})
        before = mine.get("status") or {}
        if before and self._clock() - self._told < STATUS_SECONDS:
            return
        await self._kube.review_rights()
        now = self._kube.now().replace(microsecond=0)
        shown = executor_status(self.entry, self._running(), self._kube.rights.lacking(), before, now)
        if before != shown:
            await self._patch({"status": shown}, status=True)
            self._told = self._clock()

    async def _patch(self, body: Raw, *, status: bool = False) -> Raw:
        return await self._kube.patch("Executor", self.entry.namespace, self.entry.name, body, status=status)

    async def _forget_the_dead(self) -> None:
        longest = FORGOTTEN_AFTER * self.lookout.lease_seconds
        others = {*self.leases, *self.entries} - {self.entry.name}
        gone = [n for n in self.leases if n in others and silent_for(self.lookout, n) > longest]
        leftovers = [n for n in others if n not in self.leases]
        for name in gone:
            log.info("the entry of an executor that is dead is deleted", executor=name)
            await self._delete("Lease", self.leases[name])
        for name in (*gone, *leftovers):
            if name in self.entries:
                await self._delete("Executor", self.entries[name])

    async def _delete(self, kind: str, found: Raw) -> None:
        """Exactly what was seen: an executor that comes back meanwhile keeps its own."""
        meta = found["metadata"]
        version = meta["resourceVersion"] if kind == "Lease" else None
        with contextlib.suppress(NotFound, Conflict):
            await self._kube.delete(kind, self.entry.namespace, meta["name"], meta["uid"], version)

    async def leave(self) -> None:
        """Others leave no share to us any longer, and see us no more. Our claims stay ours for a lease time: a restart
        is short."""
        with contextlib.suppress(ClusterError):
            async with self._in_time():
                mine = self.entries.get(self.entry.name)
                if await self._lease.give_back() and mine is not None:
                    await self._delete("Executor", mine)

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.lookout.lease_seconds / 3):
                yield
        except TimeoutError as error:
            raise ClusterUnavailable("the API server takes too long to answer") from error


def spec_of(entry: Raw | None) -> ExecutorSpec | None:
    """None also for one that a newer version wrote in a way that is not understood."""
    try:
        return ExecutorSpec.model_validate(entry["spec"]) if entry else None
    except (ValidationError, KeyError):
        return None


def _by_name(items: list[Raw]) -> dict[str, Raw]:
    return {item["metadata"]["name"]: item for item in items}


def _mark(lease: Raw) -> Mark:
    spec: dict[str, Any] = lease.get("spec") or {}
    return Mark(f"{holder_of(lease)} {spec.get('renewTime', '')}", float(spec.get("leaseDurationSeconds") or 0))
