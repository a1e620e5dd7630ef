"""How many commands start at once. A pod that was made waits behind its gate for its volume; volumes are bound one by
one, and thousands at once only make each other late, until none keeps its start deadline. So as many wait there
as keep the cluster busy, the other claimed ones for their turn, first come first served. Nothing is decided here.

In a burst none starts before all are claimed, one write each: who has made a hundred commands soon sees them all taken,
and what nobody of ours takes is free for others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bugcommand_operator.api.names import agent_pod_name
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.world import Key, World

MOST = 64
EVERY_SECONDS = 0.25
COUNTS_FOR = timedelta(seconds=20)
"""Who has waited for longer waits for storage or a definition that is not to be had: others need not wait for it."""


class Starting:
    def __init__(
        self,
        world: World,
        now: Callable[[], datetime],
        most: int = MOST,
        many_are_to_be_claimed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._world = world
        self._now = now
        self._many_are_to_be_claimed = many_are_to_be_claimed
        self._most = most
        self._waiting: dict[Key, None] = {}
        self._let_in: dict[Key, datetime | None] = {}
        """Whose pods are on their way, and since when; None: woken, and not looked at since."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def may_start(self, command: Command) -> bool:
        """Whether its pod may be made now; if not, its turn comes, and it is woken."""
        key = command.key
        if key in self._let_in or (not self._waiting and self._has_room()):
            self._let_in[key] = self._let_in.get(key) or self._now()
            return True
        self._waiting[key] = None
        return False

    def give_back(self, key: Key) -> None:
        """It makes no pod, not now."""
        self._let_in.pop(key, None)
        self._waiting.pop(key, None)

    def wake(self, wake: Callable[[Key], None]) -> None:
        """Those whose turn it is by now."""
        room = self._room() if self._waiting and not self._many_are_to_be_claimed() else 0
        for key in list(self._waiting):
            if room <= 0:
                return
            del self._waiting[key]
            if self._is_on_its_way(key):
                self._let_in[key] = None
                room -= 1
                wake(key)

    def _has_room(self) -> bool:
        return not self._many_are_to_be_claimed() and self._room() > 0

    def _room(self) -> int:
        pods, since = self._world.pods, self._now() - COUNTS_FOR
        counts = ((key, at) for key, at in self._let_in.items() if at is None or at > since)
        self._let_in = {key: at for key, at in counts if self._is_on_its_way(key)}
        return self._most - len(self._let_in) - sum(pods.items[key].created_at > since for key in pods.gated)

    def _is_on_its_way(self, key: Key) -> bool:
        command = self._world.commands.items.get(key)
        if command is None or not command.is_active or command.status.pod_name is not None:
            return False
        return (command.namespace, agent_pod_name(command.name, command.attempt)) not in self._world.pods.items
