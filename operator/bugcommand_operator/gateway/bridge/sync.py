"""Rows that others insert become BugCommands at once, and their columns are kept true: the bridge's own tasks.

The database tells of each change; now and then, and whenever the line to it was cut, the table itself is looked at,
because what was told meanwhile is lost. Any number of gateways may run this side by side.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.token_review import IdentityUnavailable
from bugcommand_operator.gateway.bridge.claims import Claims
from bugcommand_operator.gateway.bridge.events import (
    CommandInserted,
    CommandUpdated,
    Connected,
    Disconnected,
    Error,
    Events,
)
from bugcommand_operator.gateway.bridge.mirror import Mirror
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.repositories import Repositories
from bugcommand_operator.gateway.bridge.request import command_id_of
from bugcommand_operator.gateway.bridge.states import COMPLETED, FAILED, PENDING
from bugcommand_operator.gateway.bridge.turns import Turns
from bugcommand_operator.store import notifications
from bugcommand_operator.store.bridge_commands import FIRST_ID, BridgeCommands, Due
from bugcommand_operator.store.errors import StoreError, StoreUnavailable

_PAGE = 500
_LONGEST_PAUSE = 30.0

Listen = Callable[[], AsyncIterator[notifications.Event]]


class ClusterHandle:
    """The cluster once it is connected."""

    def __init__(self, connect: Callable[[], Awaitable[Cluster]]) -> None:
        self._connect = connect

    async def kube(self) -> Kube:
        return Kube(await self._connect())

    async def cluster(self) -> Cluster:
        """Waits for it."""
        while True:
            try:
                return await self._connect()
            except IdentityUnavailable:
                await asyncio.sleep(0.02)


@dataclass
class Sync:
    rows: BridgeCommands
    cluster: ClusterHandle
    repositories: Repositories
    claims: Claims
    mirror: Mirror
    events: Events
    listen: Listen
    namespaces: Sequence[str] = ()
    """What is watched; empty: all namespaces."""
    poll_seconds: float = 5.0
    grace_seconds: float = 2.0
    """How long a claimed row may lack its BugCommand before another gateway makes it."""
    workers: int = 8

    def __post_init__(self) -> None:
        self._turns = Turns(self._look_at, workers=self.workers)
        self._after = FIRST_ID
        self._look_now = asyncio.Event()
        self._failed = False
        self._to_repair: set[str] = set()
        self._new: set[str] = set()

    async def run(self) -> None:
        """For ever; ends only when it is cancelled."""
        cluster = await self.cluster.cluster()
        kube = Kube(cluster)
        async with asyncio.TaskGroup() as group:
            for namespace in self.namespaces or (None,):
                group.create_task(self.repositories.follow(cluster, namespace), name="bridge-repositories")
                group.create_task(self.mirror.follow(cluster, kube, namespace), name="bridge-bugcommands")
            group.create_task(self.mirror.write(), name="bridge-rows")
            group.create_task(self._turns.run(), name="bridge-commands")
            group.create_task(self._hear(), name="bridge-listen")
            group.create_task(self._poll(), name="bridge-poll")

    async def _hear(self) -> None:
        async with aclosing(cast(Any, self.listen())) as heard:
            async for event in heard:
                if isinstance(event, notifications.Notification):
                    self._notified(event.payload)
                elif isinstance(event, notifications.Connected):
                    self.events.emit(Connected())
                    self._look_now.set()
                else:
                    self.events.emit(Disconnected(event.error[:500]))

    def _notified(self, payload: str) -> None:
        """Whoever can connect can notify: only the id is taken, and the row is what counts."""
        try:
            told = json.loads(payload)
            command_id, status = command_id_of(told["id"]), str(told.get("status") or "")[:20]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Untranslatable) as error:
            self.events.emit(Error("reading a notification", str(error)[:200]))
            return
        inserted = str(told.get("op", "")).lower() == "insert"
        self.events.emit(CommandInserted(command_id) if inserted else CommandUpdated(command_id, status))
        wanted = inserted or status not in {COMPLETED, FAILED}
        if wanted and self._turns.add(command_id) and inserted and status == PENDING:
            self._new.add(command_id)

    async def _poll(self) -> None:
        pause = self.poll_seconds
        while True:
            self._look_now.clear()
            try:
                await self._look_at_all()
            except StoreError as error:
                self._fail("looking for commands", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look_now.wait()
            pause = min(2 * pause, max(_LONGEST_PAUSE, self.poll_seconds)) if self._failed else self.poll_seconds
            self._failed = False

    async def _look_at_all(self) -> None:
        """From where the last look found no more room, or from the beginning."""
        territory = self.claims.territory
        workspaces, everybody_s = list(territory.sure_workspaces()), bool(territory.default_namespace)
        while page := await self.rows.due(
            self._after, _PAGE, self.grace_seconds, workspaces, any_workspace=everybody_s
        ):
            for due in page:
                if territory.namespace_of(due.place) is not None and not self._add(due):
                    return
                self._after = due.command_id
        self._after = FIRST_ID

    def _add(self, due: Due) -> bool:
        if not self._turns.add(due.command_id):
            return False
        if due.is_claimed:
            self._to_repair.add(due.command_id)
        return True

    async def _look_at(self, command_id: str) -> None:
        repair, new = command_id in self._to_repair, command_id in self._new
        self._to_repair.discard(command_id)
        self._new.discard(command_id)
        for last in (False, True):
            try:
                await self.claims.look_at(command_id, repair=repair, new=new)
                return
            except (StoreError, ClusterError, IdentityUnavailable) as error:
                if last or not isinstance(error, StoreUnavailable):
                    self._fail("carrying a command over", error, command_id)
                    return  # for now: the next look at the table finds it

    def _fail(self, doing: str, error: Exception, command_id: str = "") -> None:
        self._failed = True
        self.events.emit(Error(doing, str(error)[:500] or type(error).__name__, command_id))
