"""Commands of one commitment that have not ended: two of them may not run at once, and hardly ever are there two."""

from __future__ import annotations

from collections import defaultdict

from bugcommand_operator.core.observed import Command

Key = tuple[str, str]


class Rivals:
    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], set[Key]] = defaultdict(set)
        self._of: dict[Key, tuple[str, str, str]] = {}

    def put(self, command: Command) -> None:
        """Only of a commitment that was named: one that is derived from the UID has no other command."""
        if command.spec.commitment_id is not None:
            about = command.namespace, command.spec.repository.name, command.spec.commitment_id
            self._keys[about].add(command.key)
            self._of[command.key] = about

    def pop(self, key: Key) -> None:
        about = self._of.pop(key, None)
        if about is not None:
            self._keys[about].discard(key)
            if not self._keys[about]:
                del self._keys[about]

    def of(self, command: Command) -> list[Key]:
        about = self._of.get(command.key)
        return [key for key in self._keys[about] if key != command.key] if about is not None else []

    def has(self, command: Command) -> bool:
        about = self._of.get(command.key)
        return about is not None and len(self._keys[about]) > 1
