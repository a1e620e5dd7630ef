"""What an append asks of a database, inside one transaction; `appending` says in which order."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, Protocol, TypeVar

from bugcommand_operator.store.placing import Claim, Owned, Place, Placed, Reached

T = TypeVar("T")


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
    async def run(self, work: Callable[[Transaction], Coroutine[Any, Any, T]]) -> T:
        """The work as one transaction, committed when it has come to its end, which may be after its caller has gone.
        It may wait for the transaction's answers and nothing else."""
        ...

    async def prepare(self, days: Collection[date]) -> None:
        """Make sure that rows of these days can be stored."""
        ...

    def cut(self) -> None:
        """Interrupt what is under way, as far as that can be done from outside; whoever waits for it gets an error."""

    async def close(self) -> None: ...
