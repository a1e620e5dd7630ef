"""Passes that ask the API server, or write, take turns: more of them at a time would only make each slower. They do so
in sorts, so that what hangs (behind a webhook, say) holds up its own sort alone. Most passes ask nothing and wait for
no turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum

from bugcommand_operator.core.observed import Command


class Sort(StrEnum):
    CLAIM = "claim"
    TELL = "tell"
    """Of a command that waits, why it does. There may be thousands, and nobody is in a hurry."""
    START = "start"
    END = "end"
    """Cancelled, deleted or suspended: somebody waits for it."""
    REST = "rest"
    """Whatever else becomes of a pod that was made."""


AT_ONCE = {Sort.CLAIM: 16, Sort.TELL: 4, Sort.START: 16, Sort.END: 8, Sort.REST: 10}
"""A start asks up to three things at a time; the client has a hundred connections, and the Lease needs one."""
MOST_TELLS_WAITING = 64
"""So that they hold no workers. The others are told of later."""


def sort_of(command: Command, is_called: bool) -> Sort:
    """`is_called`: that it may be claimed here."""
    if (command.is_to_end and not command.is_finished) or command.is_being_deleted:
        return Sort.END
    if command.is_waiting:
        return Sort.CLAIM if is_called else Sort.TELL
    return Sort.START if command.is_active and command.status.pod_name is None else Sort.REST


class Asking:
    def __init__(self, at_once: Mapping[Sort, int] = AT_ONCE) -> None:
        self._turns = {sort: asyncio.Semaphore(most) for sort, most in at_once.items()}
        self.waiting = dict.fromkeys(Sort, 0)

    def must_wait(self, sort: Sort) -> bool:
        return self._turns[sort].locked()

    def is_for_later(self, sort: Sort) -> bool:
        return sort is Sort.TELL and self.waiting[sort] >= MOST_TELLS_WAITING

    @asynccontextmanager
    async def turn(self, sort: Sort) -> AsyncIterator[None]:
        self.waiting[sort] += 1
        try:
            await self._turns[sort].acquire()
        finally:
            self.waiting[sort] -= 1
        try:
            yield
        finally:
            self._turns[sort].release()
