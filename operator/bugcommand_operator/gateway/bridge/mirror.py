"""BugCommands → rows: what becomes of a command is written into its row, as soon as it is seen.

What has to be written is remembered by command, the newest state only, until the database has taken it: a database
that is away costs no more than one state for each BugCommand that is there.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

from bugcommand_operator.cluster.errors import ClusterError, NotFound
from bugcommand_operator.cluster.kube import Kube, path_of
from bugcommand_operator.cluster.watch import Broken, Changed, Deleted, Listed, Raw, Streams, watch
from bugcommand_operator.gateway.bridge.events import Error, Events
from bugcommand_operator.gateway.bridge.missing import Missing
from bugcommand_operator.gateway.bridge.states import FINAL, RowState, gone, state_of
from bugcommand_operator.gateway.bridge.translate import LABEL_BRIDGE, name_of
from bugcommand_operator.store.bridge_commands import BridgeCommands, Followed, Unfinished
from bugcommand_operator.store.errors import StoreError, StoreRejected

_BATCH = 200
_PAUSES = (0.2, 1.0, 2.0, 5.0)

Key = tuple[str, str]
"""Namespace and command: two namespaces may have a BugCommand of one name, and only the row says whose it is."""


class Mirror:
    def __init__(
        self, rows: BridgeCommands, events: Events, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._rows, self._events, self._now = rows, events, now
        self._wanted: dict[Key, Followed] = {}
        self._written: dict[Key, Followed] = {}
        self._gone: set[Key] = set()
        self._dirty: dict[Key, None] = {}  # in order, each once
        self._something = asyncio.Event()

    async def follow(self, cluster: Streams, kube: Kube, namespace: str | None) -> None:
        """Keep up with the bridge's BugCommands of one namespace, or of all, for ever."""
        missing = Missing(self._rows, self._events, kube, namespace, self._is_missing)
        async with asyncio.TaskGroup() as group:
            group.create_task(missing.run(), name="bridge-missing")
            await self._follow(cluster, kube, namespace, missing)

    async def _follow(self, cluster: Streams, kube: Kube, namespace: str | None, missing: Missing) -> None:
        async with aclosing(watch(cluster, path_of("BugCommand", namespace), LABEL_BRIDGE)) as events:
            async for event in events:
                if isinstance(event, Listed):
                    missing.owe(self._listed(event.items, namespace))
                elif isinstance(event, Changed):
                    self._see(event.obj, state_of(event.obj))
                elif isinstance(event, Deleted):
                    await self._deleted(event.obj, kube, missing)
                elif isinstance(event, Broken):
                    self._events.emit(Error("watching BugCommands", str(event.error)[:500]))

    async def _deleted(self, obj: Raw, kube: Kube, missing: Missing) -> None:
        """Losing the label looks the same as being deleted: what is still there goes on, and its row with it."""
        last = gone(obj, self._now())
        try:
            if not state_of(obj).is_final and await _is_there(kube, obj):
                self._forget(
                    (obj["metadata"]["namespace"], (obj["metadata"].get("labels") or {}).get(LABEL_BRIDGE, ""))
                )
                return
        except ClusterError as error:
            self._events.emit(Error("looking for a BugCommand that is gone", str(error)[:500]))
            missing.owe()
            return
        self._see(obj, last, is_gone=True)

    async def write(self) -> None:
        """Write what is to be written, for ever."""
        failures = 0
        while True:
            await self._something.wait()
            batch = [self._wanted[key] for key in list(self._dirty)[:_BATCH] if key in self._wanted]
            try:
                await self._write(batch)
                failures = 0
            except StoreError as error:
                self._events.emit(Error("writing what became of commands", str(error)[:500]))
                failures += 1
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES)) - 1])

    def again(self, namespace: str, command_id: str) -> None:
        """The row may have missed what was written before it was ours."""
        key = namespace, command_id
        self._written.pop(key, None)
        if key in self._wanted:
            self._to_write(key)

    def _see(self, obj: Raw, state: RowState, *, is_gone: bool = False) -> None:
        meta = obj["metadata"]
        command_id = (meta.get("labels") or {}).get(LABEL_BRIDGE, "")
        if not _is_uuid(command_id) or meta["name"] != name_of(command_id):
            return
        self._want(_followed(command_id, meta["namespace"], state), is_gone=is_gone)

    def _want(self, state: Followed, *, is_gone: bool = False) -> None:
        key = _key(state)
        self._wanted[key] = state
        self._gone.add(key) if is_gone else self._gone.discard(key)
        if self._written.get(key) != state or is_gone:
            self._to_write(key)

    def _to_write(self, key: Key) -> None:
        self._dirty[key] = None
        self._something.set()

    async def _write(self, batch: list[Followed]) -> None:
        try:
            await self._rows.follow(batch)
        except StoreRejected as error:
            if len(batch) > 1:
                for state in batch:
                    await self._write([state])
                return
            self._events.emit(Error("writing what became of a command", str(error)[:500], batch[0].command_id))
        for state in batch:
            self._done(state)
        if not self._dirty:
            self._something.clear()

    def _done(self, state: Followed) -> None:
        key = _key(state)
        if self._wanted.get(key) != state:
            return  # seen anew while this was being written
        self._dirty.pop(key, None)
        self._written[key] = state
        if key in self._gone:
            for known in (self._wanted, self._written):
                known.pop(key, None)
            self._gone.discard(key)

    def _listed(self, items: list[Raw], namespace: str | None) -> set[tuple[str, str]]:
        """All that is there; what was seen before and is not there is no longer followed."""
        for obj in items:
            self._see(obj, state_of(obj))
        there = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in items}
        for state in list(self._wanted.values()):
            if namespace in {None, state.namespace} and (state.namespace, state.bugcommand) not in there:
                if state.status in FINAL:
                    self._want(state, is_gone=True)
                else:  # it may have lost its label only: that is looked for by its name
                    self._forget(_key(state))
        return there

    def _forget(self, key: Key) -> None:
        for known in (self._wanted, self._written, self._dirty):
            known.pop(key, None)
        self._gone.discard(key)

    def _is_missing(self, row: Unfinished) -> None:
        known = self._wanted.get((row.namespace, row.command_id))
        if known is None or known.status not in FINAL:  # its end may have been seen, and not been written yet
            self._want(_followed(row.command_id, row.namespace, gone(None, self._now())), is_gone=True)


async def _is_there(kube: Kube, obj: Raw) -> bool:
    meta = obj["metadata"]
    try:
        found = await kube.get("BugCommand", meta["namespace"], meta["name"])
    except NotFound:
        return False
    return bool(found["metadata"]["uid"] == meta["uid"])


def _key(state: Followed) -> Key:
    return state.namespace, state.command_id


def _followed(command_id: str, namespace: str, state: RowState) -> Followed:
    return Followed(
        command_id,
        namespace,
        name_of(command_id),
        state.status,
        state.started_at,
        state.completed_at,
        state.exit_code,
        state.error,
        state.approval,
        state.again_at,
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
