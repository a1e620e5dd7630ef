"""What the watches have shown so far: a cache of views, fed by events and by the answers to our own writes.

It may be late, never ahead: an older version never replaces a newer one, and what it lacks is asked for, not assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.names import LABEL_COMMAND_UID
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.executors import ALONE, Executors
from bugcommand_operator.core.observed import Command, Pod, Volume
from bugcommand_operator.core.queueing import Turn, turn_of
from bugcommand_operator.core.reading import UnreadableCommand, command_from, pod_from, volume_from
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor.echoes import Echoes
from bugcommand_operator.executor.line import Line, Order, lane_of
from bugcommand_operator.executor.newest import note
from bugcommand_operator.executor.rivals import Rivals
from bugcommand_operator.executor.room import Room

MOST_GONE = 10_000
log = structlog.get_logger()
Raw = dict[str, Any]
Key = tuple[str, str]
T = TypeVar("T")


@dataclass
class Shelf(Generic[T]):
    """One kind of object by (namespace, name), newest version kept."""

    items: dict[Key, T] = field(default_factory=dict)
    versions: dict[Key, int] = field(default_factory=dict)
    ends: dict[Key, int] = field(default_factory=dict)
    """The version of each end that a watch has shown, the newest last: a list from before may still show the object."""

    def put(self, obj: Raw, view: T) -> bool:
        key, version = key_of(obj), version_of(obj)
        if version < max(self.versions.get(key, 0), self.ends.get(key, 0)):
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
        note(self.ends, key, version_of(obj), MOST_GONE)
        return True


@dataclass
class Pods(Shelf[Pod]):
    gated: set[Key] = field(default_factory=set)
    """Those that wait behind our gate."""

    def put(self, obj: Raw, view: Pod) -> bool:
        is_newest = super().put(obj, view)
        if is_newest and view.is_gated:
            self.gated.add(key_of(obj))
        elif is_newest:
            self.gated.discard(key_of(obj))
        return is_newest

    def drop(self, key: Key) -> None:
        super().drop(key)
        self.gated.discard(key)


@dataclass(frozen=True)
class Definition(Generic[T]):
    """A Repository or an Agent: its spec, and the UID that owner references need."""

    uid: str
    spec: T


class World:
    def __init__(self, ageing: timedelta = Limits.ageing, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds, never set back."""
        self._ageing = ageing
        self._clock = clock
        self.commands: Shelf[Command] = Shelf()
        self.repositories: Shelf[Definition[RepositorySpec]] = Shelf()
        self.agents: Shelf[Definition[AgentSpec]] = Shelf()
        self.pods = Pods()
        self.volumes: Shelf[Volume] = Shelf()
        self.echoes = Echoes()
        self.unreadable: dict[Key, str] = {}
        self.room = Room()
        self.queue = Order()
        """What the statuses say to wait for room."""
        self.line = Line()
        """Commands that wait, and may be called up here for all that is known."""
        self.called: dict[Key, Identity] = {}
        """Those that were called up: their claim may be on its way to the API server, so they take room already."""
        self.line_has_changed = True
        """Since nobody could be called up: somebody waits anew, or there is more room."""
        self._heard: dict[Key, tuple[int, float]] = {}
        """Which version of each command a watch or a list has shown last, and when it first did."""
        self._rivals = Rivals(lambda command: command.spec.commitment_id)
        """Those that have not ended, of a commitment that was named: one that a UID gives hardly has another."""
        self._resting = Rivals(lambda command: command.commitment_id)
        """Those that are between two attempts, whatever their commitment."""
        self.log_store_away_since: datetime | None = None
        self.log_store_answers = False
        self.claim_was_shown: Callable[[Key], None] = lambda _key: None
        """Told of a claim of ours as soon as a watch has shown it: by then all earlier claims are known."""
        self.registry: Callable[[], Executors] = lambda: ALONE
        """Who is alive by now, as the registry of executors judges it."""
        self._by_uid: dict[str, Key] = {}
        self._gone: dict[str, None] = {}
        """UIDs of commands that we have let go, the newest last."""

    def put_command(self, obj: Raw) -> Command | None:
        """What the API server has answered to us."""
        command = self._keep_command(obj)
        if command is not None and command.has_only_been_claimed:
            self.echoes.expect("BugCommand", obj, partial(self._claim_comes_back, command.key, version_of(obj)))
        elif command is not None:
            self.echoes.expect("BugCommand", obj)
        return command

    def _claim_comes_back(self, key: Key, version: int) -> None:
        self.was_shown({key: version})
        self.claim_was_shown(key)

    def _keep_command(self, obj: Raw) -> Command | None:
        key = key_of(obj)
        if obj["metadata"].get("uid") in self._gone:
            return None
        try:
            command = command_from(obj, self.commands.items.get(key))
        except UnreadableCommand as error:
            if self.unreadable.get(key) != str(error):
                log.warning("command not understood", key="/".join(key), error=str(error))
            self.unreadable[key] = str(error)
            self._forget(key)
            return None
        self.unreadable.pop(key, None)
        before = self.commands.items.get(key)
        if self.commands.put(obj, command):
            if before is not None:
                self._by_uid.pop(before.uid, None)
            self._by_uid[command.uid] = key
            self._find_place(command)
        return self.commands.items[key]

    def hear_command(self, obj: Raw) -> bool:
        """What a watch or a list shows, in the order in which it was written; not the answer to a write of our own.
        Whether it is news. The echo of a claim is, should one come here: by then all earlier claims are known."""
        is_news = self.take_command(obj)
        self.was_shown({key_of(obj): version_of(obj)})
        return is_news

    def was_shown(self, versions: dict[Key, int]) -> None:
        """By a watch, or by a list of which nothing is missing any more: all that was written before is known."""
        now = self._clock()
        for key, version in versions.items():
            if key in self.commands.items and version > self._heard.get(key, (0, now))[0]:
                self._heard[key] = version, now

    def take_command(self, obj: Raw) -> bool:
        """One of a list, of which the rest may not be known yet."""
        key, version = key_of(obj), version_of(obj)
        known = self.commands.items.get(key)
        if known is not None and version <= self.commands.versions[key] and not known.has_only_been_claimed:
            return False
        self._keep_command(obj)
        return True

    def heard_for(self, command: Command) -> timedelta | None:
        """None: not of the version that is known, the answer to a write of our own."""
        version, since = self._heard.get(command.key, (0, 0.0))
        is_known = version >= self.commands.versions.get(command.key, 0)
        return timedelta(seconds=self._clock() - since) if is_known else None

    def put_pod(self, obj: Raw) -> Pod:
        self.hear_pod(obj)
        self.echoes.expect("Pod", obj)
        return self.pods.items.get(key_of(obj)) or pod_from(obj)

    def hear_pod(self, obj: Raw) -> bool:
        """Whether it is news: most of what a kubelet writes down is none."""
        shown, before = pod_from(obj), self.pods.items.get(key_of(obj))
        return self.pods.put(obj, shown) and (before is None or not shown.has_only_got_on_since(before))

    def put_volume(self, obj: Raw) -> Volume:
        """What becomes of one that commands share is for the watch to show: known from here, it would be no news then,
        and others that wait for it would not be told."""
        shown, known = volume_from(obj), self.volumes.items.get(key_of(obj))
        if shown.command_uid is None and known is not None and known.uid == shown.uid:
            return shown
        self.hear_volume(obj)
        if shown.command_uid is not None:
            self.echoes.expect("PersistentVolumeClaim", obj)
        return self.volumes.items.get(key_of(obj)) or shown

    def hear_volume(self, obj: Raw) -> bool:
        shown, before = volume_from(obj), self.volumes.items.get(key_of(obj))
        return self.volumes.put(obj, shown) and (before is None or replace(before, version=shown.version) != shown)

    def put_repository(self, obj: Raw) -> None:
        self.repositories.put(obj, Definition(obj["metadata"]["uid"], RepositorySpec.model_validate(obj["spec"])))
        self.line_has_changed = True

    def put_agent(self, obj: Raw) -> None:
        self.agents.put(obj, Definition(obj["metadata"]["uid"], AgentSpec.model_validate(obj["spec"])))

    def command_deleted(self, obj: Raw) -> None:
        """What a list from before shows of it later does not bring it back."""
        self._note_end(obj["metadata"].get("uid", ""))
        if version_of(obj) >= self.commands.versions.get(key_of(obj), 0):
            self.drop_command(key_of(obj))

    def command_is_gone(self, key: Key, uid: str) -> None:
        """The API server has said so to us: what a watch has yet to show of it, from before, does not bring it back."""
        self._note_end(uid)
        self.drop_command(key)

    def command_is_missing(self, key: Key) -> None:
        """In a list that shows all there are: what is heard of it later is from before."""
        command = self.commands.items.get(key)
        if command is not None:
            self._note_end(command.uid)
        self.drop_command(key)

    def _note_end(self, uid: str) -> None:
        note(self._gone, uid, None, MOST_GONE)

    def drop_command(self, key: Key) -> None:
        self._forget(key)
        self.unreadable.pop(key, None)
        self._heard.pop(key, None)

    def _forget(self, key: Key) -> None:
        command = self.commands.items.get(key)
        if command is not None:
            self._by_uid.pop(command.uid, None)
        self.commands.drop(key)
        self.queue.drop(key)
        self._rivals.pop(key)
        self._resting.pop(key)
        self._leave(key)

    def running(self, executor: str) -> int:
        return self.room.load_at(Identity(executor, ""))

    @property
    def executors(self) -> Executors:
        """Those that are alive, by the registry; how many commands each runs, by the commands."""
        known = self.registry()
        return replace(known, live=tuple(replace(peer, running=self.running(peer.id)) for peer in known.live))

    def command_key_of(self, child: Raw) -> Key | None:
        """Whose pod or volume this is, by the command's UID: names can be reused, UIDs cannot."""
        uid = (child["metadata"].get("labels") or {}).get(LABEL_COMMAND_UID, "")
        return self._by_uid.get(uid)

    def is_unknown(self, uid: str | None) -> bool:
        """Whether this is the UID of a command, and of none that we know."""
        return uid is not None and uid not in self._by_uid

    def has_rival(self, command: Command) -> bool:
        return self._rivals.has(command)

    def commitment_held_by(self, command: Command) -> str | None:
        """Another command that is between two attempts: its unfinished work is on the commitment's branch, so none
        begins on it meanwhile. Of two that have begun neither holds up the other."""
        if command.attempt:
            return None
        return min((name for _, name in self._resting.of(command)), default=None)

    def turn_of(self, command: Command) -> Turn:
        return turn_of(command, self._ageing)

    def line_up(self, command: Command) -> None:
        self.line.put(self.turn_of(command), lane_of(command))
        self.line_has_changed = True

    def call_up(self, key: Key, identity: Identity) -> None:
        self.line.drop(key)
        self.called[key] = identity
        self.room.take(self.commands.items[key], identity)

    def step_aside(self, key: Key) -> None:
        self._leave(key)

    def _find_place(self, command: Command) -> None:
        if command.waits_for_room:
            self.queue.put(self.turn_of(command))
        else:
            self.queue.drop(command.key)
        self._rivals.pop(command.key)
        if not command.is_finished:
            self._rivals.put(command)
        self._resting.pop(command.key)
        if command.is_between_attempts:
            self._resting.put(command)
        who = self._who_takes_its_room(command)
        if who is None:
            self._leave(command.key)
        else:
            self._takes_room(command, who)
        if who is None and command.is_waiting:
            self.line_up(command)

    def _who_takes_its_room(self, command: Command) -> Identity | None:
        claim = command.status.claim
        if command.is_active and claim is not None:
            return Identity(claim.executor, claim.machine)
        return self.called.get(command.key) if command.is_waiting else None

    def _takes_room(self, command: Command, who: Identity) -> None:
        self.line.drop(command.key)
        self.room.take(command, who)
        if command.is_claimed and self.called.pop(command.key, who) != who:
            self.line_has_changed = True  # another executor was faster: there is room here again

    def _leave(self, key: Key) -> None:
        """The line, and the room that it took."""
        self.called.pop(key, None)
        self.line.drop(key)
        if self.room.free(key):
            self.line_has_changed = True


def key_of(obj: Raw) -> Key:
    meta = obj["metadata"]
    return meta["namespace"], meta["name"]


def version_of(obj: Raw) -> int:
    return version_number(obj["metadata"].get("resourceVersion", "0"))


def version_number(text: str) -> int:
    return int(text) if text.isdigit() else 0
