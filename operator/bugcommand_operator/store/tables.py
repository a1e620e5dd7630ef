"""What an append asks of a database, inside one transaction; `appending` says in which order."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Protocol

from bugcommand_operator.store.placing import Claim, Owned, Place, Placed, Reached


class NoPartition(Exception):
    """Rows of these days have no table yet."""

    def __init__(self, days: AbstractSet[date]) -> None:
        super().__init__(", ".join(sorted(map(str, days))))
        self.days = days


class Inconsistent(Exception):
    """A line is there that the counters do not know of: somebody else has written into the tables."""


class Transaction(Protocol):
    async def lock(self, places: Collection[Place]) -> Mapping[Place, Reached]:
        """How far these attempts have come; nobody else can move them until the transaction ends. An attempt
        without a line is absent."""
        ...

    async def claim(self, claims: Sequence[Claim], *, amend: bool) -> Mapping[str, Owned]:
        """Take the command ids that are nobody's; whose they are now. `amend`: fill in what an owner lacks."""
        ...

    async def begin(self, places: Collection[Place], owners: Mapping[str, Owned]) -> None:
        """Make room for the counters of attempts that have none."""
        ...

    async def known(self, place: Place, day: date, seqs: Sequence[int]) -> AbstractSet[int]:
        """Which of these lines are stored."""
        ...

    async def store(self, placed: Sequence[Placed]) -> None:
        """Insert the lines, move the counters, and say so to whoever listens."""
        ...


class Tables(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits when it is left in good order."""
        ...

    async def prepare(self, days: Collection[date]) -> None:
        """Make sure that rows of these days can be stored."""
        ...

    def cut(self) -> None:
        """Interrupt what is under way, as far as that can be done from outside."""

    async def close(self) -> None: ...
