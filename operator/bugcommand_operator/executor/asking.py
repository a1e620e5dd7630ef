"""Passes that ask the API server, or write, take turns: more of them at a time would only make each slower. They do so
in sorts, so that what hangs (behind a webhook, say) holds up its own sort alone. Most passes ask nothing and need none.

Whoever has to wait stands in a line and is called. No pass goes on meanwhile: waiting holds up nothing, and what is
decided then is decided by what is there then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from bugcommand_operator.core.observed import Command

Key = tuple[str, str]


class Sort(StrEnum):
    CLAIM = "claim"
    TELL = "tell"
    """Of a command that waits, why it does. There may be thousands, and nobody is in a hurry."""
    START = "start"
    END = "end"
    """Cancelled, deleted or suspended: somebody waits for it."""
    LET_GO = "let_go"
    """Deleted, and finished before: often thousands at once, and nothing runs of them."""
    REST = "rest"
    """Whatever else becomes of a pod that was made."""


AT_ONCE = {Sort.CLAIM: 16, Sort.TELL: 4, Sort.START: 16, Sort.END: 8, Sort.LET_GO: 4, Sort.REST: 8}
"""A start asks up to three things at a time, all others one but for a volume that is gone; the client has a hundred
connections, and the Lease needs one."""

UNHURRIED = {Sort.TELL, Sort.LET_GO}


def sort_of(command: Command, is_called: bool) -> Sort:
    """`is_called`: that it may be claimed here."""
    if command.is_asked_to_end:
        return Sort.END
    if command.is_being_deleted:
        return Sort.LET_GO
    if command.is_waiting:
        return Sort.CLAIM if is_called else Sort.TELL
    return Sort.START if command.is_active and command.status.pod_name is None else Sort.REST


class Asking:
    def __init__(
        self,
        call: Callable[[Key], None],
        at_once: Mapping[Sort, int] = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`call`: for another pass, which has its turn then and gives it back by leaving, whatever becomes of it."""
        self._call = call
        self._at_once = at_once
        self._clock = clock
        self._turns: dict[Sort, dict[Key, float]] = {sort: {} for sort in Sort}
        self._lines: dict[Sort, dict[Key, float]] = {sort: {} for sort in Sort}
        """In their order, and since when each has waited."""

    def may_ask(self, key: Key, sort: Sort) -> bool:
        """Whether it is its turn; if not, it waits for it. A turn of another sort is given back."""
        if key in self._turns[sort]:
            return True
        if key in self._lines[sort]:
            return False
        self.leave(key)
        if len(self._turns[sort]) < self._at_once[sort]:
            self._turns[sort][key] = self._clock()
            return True
        self._lines[sort][key] = self._clock()
        return False

    def waits(self, key: Key) -> bool:
        return any(key in line for line in self._lines.values())

    def leave(self, key: Key) -> None:
        """Its turn, or the line."""
        for sort in Sort:
            self._lines[sort].pop(key, None)
            if self._turns[sort].pop(key, None) is not None:
                self._call_next(sort)

    def _call_next(self, sort: Sort) -> None:
        line = self._lines[sort]
        if line:
            key = next(iter(line))
            self._turns[sort][key] = line.pop(key)
            self._call(key)

    def waiting(self, sort: Sort) -> int:
        return len(self._lines[sort])

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def oldest_seconds(self) -> float:
        """Of the one that has asked, or waited to ask, for longest, but for those that nobody waits for; any thread may
        ask for it."""
        by_sort = [each[sort] for sort in Sort if sort not in UNHURRIED for each in (self._turns, self._lines)]
        since = [first for keys in by_sort for first in list(keys.values())]
        return self._clock() - min(since) if since else 0.0
