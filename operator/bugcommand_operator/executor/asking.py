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
    REST = "rest"
    """Whatever becomes of a pod that was made, and each end."""


AT_ONCE = {Sort.CLAIM: 16, Sort.TELL: 4, Sort.START: 16, Sort.REST: 16}
"""A start asks up to three things at a time; the client has a hundred connections, and the Lease needs one."""


def sort_of(command: Command, is_called: bool) -> Sort:
    """`is_called`: that it may be claimed here."""
    if command.is_waiting and not command.is_to_end:
        return Sort.CLAIM if is_called else Sort.TELL
    is_to_start = command.is_active and command.status.pod_name is None and not command.is_to_end
    return Sort.START if is_to_start else Sort.REST


class Asking:
    def __init__(self, at_once: Mapping[Sort, int] = AT_ONCE) -> None:
        self._turns = {sort: asyncio.Semaphore(most) for sort, most in at_once.items()}
        self.waiting = dict.fromkeys(Sort, 0)

    def must_wait(self, sort: Sort) -> bool:
        return self._turns[sort].locked()

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
