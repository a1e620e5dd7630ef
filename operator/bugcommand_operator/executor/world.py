"""What the watches have shown so far: a cache of views, fed by events and by the answers to our own writes.

It may be late, never ahead: an older version never replaces a newer one, and what it lacks is asked for, not assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.names import LABEL_COMMAND_UID
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command, Load, Pod, Volume
from bugcommand_operator.core.reading import UnreadableCommand, command_from, pod_from, volume_from

Raw = dict[str, Any]
Key = tuple[str, str]
T = TypeVar("T")


@dataclass
class Shelf(Generic[T]):
    """One kind of object by (namespace, name), newest version kept."""

    items: dict[Key, T] = field(default_factory=dict)
    versions: dict[Key, int] = field(default_factory=dict)

    def put(self, obj: Raw, view: T) -> bool:
        key, version = key_of(obj), version_of(obj)
        if version < self.versions.get(key, 0):
            return False
        self.items[key], self.versions[key] = view, version
        return True

    def drop(self, key: Key) -> None:
        self.items.pop(key, None)
        self.versions.pop(key, None)

    def deleted(self, obj: Raw) -> bool:
        """What a watch shows as deleted; one of the same name that was made after it stays."""
        key = key_of(obj)
        if version_of(obj) < self.versions.get(key, 0):
            return False
        self.drop(key)
        return True


@dataclass(frozen=True)
class Definition(Generic[T]):
    """A Repository or an Agent: its spec, and the UID that owner references need."""

    uid: str
    spec: T


class World:
    def __init__(self) -> None:
        self.commands: Shelf[Command] = Shelf()
        self.repositories: Shelf[Definition[RepositorySpec]] = Shelf()
        self.agents: Shelf[Definition[AgentSpec]] = Shelf()
        self.pods: Shelf[Pod] = Shelf()
        self.volumes: Shelf[Volume] = Shelf()
        self.unreadable: dict[Key, str] = {}
        self.claiming: set[Key] = set()
        """Commands whose claim is on its way to the API server: they count as running."""
        self.log_store_away_since: datetime | None = None
        self.log_store_answers = False
        self._by_uid: dict[str, Key] = {}
        self._active: set[Key] = set()
        """Those that take room: with ten thousand waiting, each pass may not count them all."""

    def put_command(self, obj: Raw) -> Command | None:
        key = key_of(obj)
        try:
            command = command_from(obj)
        except UnreadableCommand as error:
            self.unreadable[key] = str(error)
            self._forget(key)
            return None
        self.unreadable.pop(key, None)
        before = self.commands.items.get(key)
        if self.commands.put(obj, command):
            if before is not None:
                self._by_uid.pop(before.uid, None)
            self._by_uid[command.uid] = key
            (self._active.add if command.is_active else self._active.discard)(key)
        return self.commands.items[key]

    def put_pod(self, obj: Raw) -> Pod:
        self.pods.put(obj, pod_from(obj))
        return self.pods.items[key_of(obj)]

    def put_volume(self, obj: Raw) -> Volume:
        self.volumes.put(obj, volume_from(obj))
        return self.volumes.items[key_of(obj)]

    def put_repository(self, obj: Raw) -> None:
        self.repositories.put(obj, Definition(obj["metadata"]["uid"], RepositorySpec.model_validate(obj["spec"])))

    def put_agent(self, obj: Raw) -> None:
        self.agents.put(obj, Definition(obj["metadata"]["uid"], AgentSpec.model_validate(obj["spec"])))

    def command_deleted(self, obj: Raw) -> None:
        if version_of(obj) >= self.commands.versions.get(key_of(obj), 0):
            self.drop_command(key_of(obj))

    def drop_command(self, key: Key) -> None:
        self._forget(key)
        self.unreadable.pop(key, None)

    def _forget(self, key: Key) -> None:
        command = self.commands.items.get(key)
        if command is not None:
            self._by_uid.pop(command.uid, None)
        self.commands.drop(key)
        self._active.discard(key)

    def command_key_of(self, child: Raw) -> Key | None:
        """Whose pod or volume this is, by the command's UID: names can be reused, UIDs cannot."""
        uid = (child["metadata"].get("labels") or {}).get(LABEL_COMMAND_UID, "")
        return self._by_uid.get(uid)

    def waiting(self) -> list[Command]:
        """Unclaimed commands, those first that should run first."""
        pending = [c for c in self.commands.items.values() if not c.is_claimed and not c.is_finished]
        return sorted(pending, key=lambda c: (-c.spec.priority, c.created_at, c.key))

    def load_for(self, command: Command, executor: str) -> Load:
        taking = (self._active | self.claiming) - {command.key}
        others = [self.commands.items[key] for key in sorted(taking) if key in self.commands.items]
        same = [c for c in others if c.namespace == command.namespace and _repository(c) == _repository(command)]
        mine = [c for c in others if not c.is_claimed or (c.status.claim and c.status.claim.executor == executor)]
        checkout = next((c.name for c in same if not c.spec.with_worktree), None)
        commitment = next((c.name for c in same if c.commitment_id == command.commitment_id), None)
        return Load(len(mine), len(same), checkout, commitment)


def _repository(command: Command) -> str:
    return command.spec.repository.name


def key_of(obj: Raw) -> Key:
    meta = obj["metadata"]
    return meta["namespace"], meta["name"]


def version_of(obj: Raw) -> int:
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0
