"""Who takes which room: the commands that run, by each place that has a limit. Kept up with every change, so that how
full a place is costs nothing to ask, however many run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from bugcommand_operator.core.observed import Command, Load
from bugcommand_operator.core.settings import Identity

Key = tuple[str, str]
Place = tuple[str, ...]


class Room:
    def __init__(self) -> None:
        self._taken: dict[Place, dict[Key, Command]] = defaultdict(dict)
        self._places: dict[Key, tuple[Place, ...]] = {}

    def take(self, command: Command, identity: Identity) -> None:
        """What it took before is given back."""
        self.free(command.key)
        places = _places_of(command, identity)
        self._places[command.key] = places
        for place in places:
            self._taken[place][command.key] = command

    def free(self, key: Key) -> bool:
        """False: it took none."""
        places = self._places.pop(key, ())
        for place in places:
            there = self._taken[place]
            there.pop(key, None)
            if not there:
                del self._taken[place]
        return bool(places)

    def load_for(self, command: Command, identity: Identity) -> Load:
        """The command itself not counted."""
        load = self.load_in(command.namespace, command.spec.repository.name, identity, but=command.key)
        on_it = self._taken.get(_commitment(command), {}).values()
        others = (other.name for other in on_it if other.is_claimed and other.key != command.key)
        return replace(load, commitment_taken_by=min(others, default=None))

    def load_in(self, namespace: str, repository: str, identity: Identity, but: Key | None = None) -> Load:
        """How full it is for a command of this Repository, whatever its commitment."""
        return Load(
            executor=self._others(("executor", identity.executor), but),
            machine=self._others(("machine", identity.machine), but),
            namespace=self._others(("namespace", namespace), but),
            repository=self._others(("repository", namespace, repository), but),
            checkout_taken_by=self._first(("checkout", namespace, repository), but),
        )

    def load_at(self, identity: Identity) -> int:
        return self._others(("executor", identity.executor), None)

    def load_before(self, command: Command, identity: Identity, comes_before: Callable[[Command], bool]) -> Load:
        """The same, of those only that come before it. What this executor is claiming itself comes after."""
        found = Room()
        places = ("machine", identity.machine), ("namespace", command.namespace)
        others = {key: other for place in places for key, other in self._taken.get(place, {}).items()}
        for other in others.values():
            if other.key != command.key and other.status.claim is not None and comes_before(other):
                found.take(other, Identity(other.status.claim.executor, other.status.claim.machine))
        return found.load_for(command, identity)

    def _others(self, place: Place, but: Key | None) -> int:
        there = self._taken.get(place, {})
        return len(there) - (but in there)

    def _first(self, place: Place, but: Key | None) -> str | None:
        return min((command.name for key, command in self._taken.get(place, {}).items() if key != but), default=None)


def _places_of(command: Command, identity: Identity) -> tuple[Place, ...]:
    where = command.namespace, command.spec.repository.name
    places: tuple[Place, ...] = (
        ("executor", identity.executor),
        ("machine", identity.machine),
        ("namespace", command.namespace),
        ("repository", *where),
        _commitment(command),
    )
    return places if command.spec.with_worktree else (*places, ("checkout", *where))


def _commitment(command: Command) -> Place:
    return "commitment", command.namespace, command.spec.repository.name, command.commitment_id
