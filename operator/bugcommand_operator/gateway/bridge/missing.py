"""Rows that wait for a BugCommand which is gone: looked for when it is owed, until a look has gone through.

It only looks; what is then written into the row is the mirror's.
"""

import asyncio
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from bugcommand_operator.cluster.errors import ClusterError, NotFound
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.gateway.bridge.events import Error, Events
from bugcommand_operator.store.bridge_commands import FIRST_ID, BridgeCommands, Unfinished
from bugcommand_operator.store.errors import StoreError

_PAGE = 500
_PAUSES = (0.2, 1.0, 5.0, 30.0)
_NOTHING: Set[tuple[str, str]] = frozenset()


@dataclass
class Missing:
    """Of one namespace, or (None) of all."""

    rows: BridgeCommands
    events: Events
    kube: Kube
    namespace: str | None
    gone: Callable[[Unfinished], None]
    _there: Set[tuple[str, str]] = _NOTHING
    _owed: asyncio.Event = field(default_factory=asyncio.Event)

    def owe(self, there: Set[tuple[str, str]] = _NOTHING) -> None:
        """A look is due. `there`: namespaces and names that need none, seen just now."""
        self._there = there
        self._owed.set()

    async def run(self) -> None:
        """For ever."""
        failures = 0
        while True:
            await self._owed.wait()
            self._owed.clear()
            there, self._there = self._there, _NOTHING  # a later look cannot rely on it
            if await self._all_is_known(there):
                failures = 0
                continue
            self._owed.set()
            failures += 1
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES)) - 1])

    async def _all_is_known(self, there: Set[tuple[str, str]]) -> bool:
        after, known = FIRST_ID, True
        try:
            while page := await self.rows.unfinished(after, _PAGE):
                after = page[-1].command_id
                for row in page:
                    if self.namespace in {None, row.namespace} and (row.namespace, row.bugcommand) not in there:
                        known = await self._is_known(row) and known
        except StoreError as error:
            self._fail(error)
            return False
        return known

    async def _is_known(self, row: Unfinished) -> bool:
        try:
            await self.kube.get("BugCommand", row.namespace, row.bugcommand)
        except NotFound:
            self.gone(row)
        except ClusterError as error:
            self._fail(error, row.command_id)
            return False
        return True

    def _fail(self, error: Exception, command_id: str = "") -> None:
        self.events.emit(Error("looking for BugCommands that are gone", str(error)[:500], command_id))
