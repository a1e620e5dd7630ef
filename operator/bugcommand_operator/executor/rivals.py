"""Commands of one commitment: two of them may not run at once, nor may one begin while another is between two attempts;
and hardly ever are there two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from bugcommand_operator.core.observed import Command

Key = tuple[str, str]
Commitment = tuple[str, str, str]


class Rivals:
    def __init__(self, named: Callable[[Command], str | None]) -> None:
        """`named`: the commitment; None: it can have no rival."""
        self._named = named
        self._keys: dict[Commitment, set[Key]] = defaultdict(set)
        self._of: dict[Key, Commitment] = {}

    def put(self, command: Command) -> None:
        about = self._about(command)
        if about is not None:
            self._keys[about].add(command.key)
            self._of[command.key] = about

    def pop(self, key: Key) -> None:
        about = self._of.pop(key, None)
        if about is not None:
            self._keys[about].discard(key)
            if not self._keys[about]:
                del self._keys[about]

    def of(self, command: Command) -> list[Key]:
        """Also of one that is not among them."""
        about = self._about(command)
        return [key for key in self._keys.get(about, ()) if key != command.key] if about is not None else []

    def has(self, command: Command) -> bool:
        about = self._of.get(command.key)
        return about is not None and len(self._keys[about]) > 1

    def _about(self, command: Command) -> Commitment | None:
        named = self._named(command)
        return (command.namespace, command.spec.repository.name, named) if named is not None else None
