"""Whose turn it is. Whenever there is room, the commands that come next are called up: they take their room from then
on, so whoever comes later waits behind them, and only they are looked at anew.

A command that was called and is not claimed for another reason, or whose pass failed, steps aside: its next pass, which
that reason or its back-off brings, puts it back into the line.
"""

from __future__ import annotations

from collections.abc import Callable

from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies.room import no_room
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor.line import Lane, lane_of
from bugcommand_operator.executor.world import Key, World


class Turns:
    def __init__(self, world: World, identity: Identity, limits: Limits, call: Callable[[Key], None]) -> None:
        self._world = world
        self._identity = identity
        self._limits = limits
        self.call = call
        """For another pass, before those that wait in turn."""

    def call_up(self, but: Key | None = None) -> None:
        """Cheap when there is no room, or nothing has changed since nobody could be called."""
        world = self._world
        while world.line_has_changed and world.room.load_at(self._identity) < self._limits.executor:
            key = world.line.next(self._lane_has_room)
            if key is None:
                world.line_has_changed = False
                return
            world.call_up(key, self._identity)
            if key != but:
                self.call(key)

    def begin(self, command: Command) -> bool:
        """A pass over a command that waits: whether it was called up, and may be claimed. By its own pass it is called
        for this one, not for another."""
        if command.key not in self._world.called:
            self._world.line_up(command)
            self.call_up(but=command.key)
        return command.key in self._world.called

    def end(self, key: Key) -> None:
        """Of a pass over a command that had been called."""
        world = self._world
        if key in world.called:
            world.step_aside(key)
            command = world.commands.items[key]
            if not self._lane_has_room(lane_of(command)):
                world.line_up(command)
        self.call_up()

    def _lane_has_room(self, lane: Lane) -> bool:
        world = self._world
        load = world.room.load_in(lane.namespace, lane.repository, self._identity)
        repository = world.repositories.items.get((lane.namespace, lane.repository))
        return no_room(lane.with_worktree, load, self._limits, repository.spec if repository else None) is None
