"""Who else runs commands, as one pass sees it. For sharing work and for taking over what the dead have left: nothing
here keeps two executors from one command, that is done by compare-and-set on the command itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bugcommand_operator.api.names import executor_object_name


@dataclass(frozen=True)
class Peer:
    """An executor that is taken to be alive, as its registry entry says."""

    id: str
    machine: str
    capacity: int
    running: int = 0
    """Counted over the commands, not what it says itself: that may be seconds old."""

    @property
    def has_room(self) -> bool:
        return self.running < self.capacity


@dataclass(frozen=True)
class Executors:
    live: tuple[Peer, ...] = ()
    """Ourselves among them. Empty: there is no registry."""
    may_be_alive: frozenset[str] | None = None
    """Names of entries that are not known to be dead. None: nobody can tell at present, so nobody is."""
    lease: timedelta = timedelta(0)
    """After so long without a sign of life one counts as dead."""
    may_claim: bool = True
    """False: our own Lease has not been renewed for a whole lease time."""

    def has_died(self, executor: str) -> bool:
        return self.may_be_alive is not None and executor_object_name(executor) not in self.may_be_alive

    def of_machine(self, machine: str) -> tuple[Peer, ...]:
        """An empty machine stands for any."""
        return tuple(peer for peer in self.live if machine in {"", peer.machine})


ALONE = Executors()
