"""For how long each command that is for strangers (`core/policies/share.py`) has been seen to stay as it is.

By a clock of this machine that is never set back. It is lost with the process, which then only says later what it has
to say.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.policies.admission import word_for
from bugcommand_operator.core.policies.share import is_for_strangers
from bugcommand_operator.executor.world import Key

Mark = tuple[object, ...]


class Patience:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Key, tuple[Mark, float]] = {}

    def unchanged_for(self, seen: Observed) -> timedelta:
        """Whatever anybody writes to it, and whatever changes what we would say of it, begins anew."""
        command = seen.command
        if not command.is_waiting or not is_for_strangers(command, seen.identity.machine, seen.executors):
            self.forget(command.key)
            return timedelta(0)
        mark, now = (command.uid, command.resource_version, word_for(seen)), self._clock()
        before, since = self._since.get(command.key, (None, now))
        if before != mark:
            since = now
        self._since[command.key] = mark, since
        return timedelta(seconds=now - since)

    def forget(self, key: Key) -> None:
        self._since.pop(key, None)
