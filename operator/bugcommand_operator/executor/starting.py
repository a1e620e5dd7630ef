"""How many commands start at once. A pod that was made waits behind its gate for its volume; volumes are bound one by
one, and thousands at once only make each other late, until none keeps its start deadline. So as many wait there
as keep the cluster busy, the other claimed ones for their turn, first come first served. Nothing is decided here.

In a burst hardly any starts before all are claimed, one write each: who has made a hundred commands soon sees them all
taken, and what nobody of ours takes is free for others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bugcommand_operator.api.names import agent_pod_name
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies import gate
from bugcommand_operator.executor.world import Key, World

MOST = 64
EVERY_SECONDS = 0.25
FEW_CLAIMS = 16
"""So many are soon made beside the starts."""
CLAIMS_COME_FIRST_FOR = timedelta(seconds=30)
"""Those that hang, behind a webhook that does not answer, say, keep nobody else from starting for longer."""
COUNTS_FOR = timedelta(seconds=20)
"""Who has waited for longer, while no volume was bound, waits for storage or a definition that is not to be had: others
need not wait for it."""
IS_LOOKED_AT_WITHIN = timedelta(minutes=2)
"""Who was woken; its pass may fail, or wait for its turn to ask."""


class Starting:
    def __init__(self, world: World, executor: str, now: Callable[[], datetime], most: int = MOST) -> None:
        self._world = world
        self._executor = executor
        self._now = now
        self._most = most
        self._waiting: dict[Key, None] = {}
        self._let_in: dict[Key, datetime] = {}
        """Whose pods are on their way, and until when each takes a place."""
        self._claims_come_first_since: datetime | None = None
        self._gated: set[Key] = set()
        self._last_bound: datetime | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def may_start(self, command: Command) -> bool:
        """Whether its pod may be made now; if not, its turn comes, and it is woken."""
        key, until = command.key, self._now() + COUNTS_FOR
        if key in self._let_in or (not self._waiting and self._room() > 0):
            self._let_in[key] = min(self._let_in.get(key, until), until)
            return True
        self._waiting[key] = None
        return False

    def give_back(self, key: Key) -> None:
        """It makes no pod, not now."""
        self._let_in.pop(key, None)
        self._waiting.pop(key, None)

    def wake(self, wake: Callable[[Key], None]) -> None:
        """Those whose turn it is by now."""
        room = self._room()
        for key in list(self._waiting):
            if room <= 0:
                return
            del self._waiting[key]
            if self._is_on_its_way(key):
                self._let_in[key] = self._now() + IS_LOOKED_AT_WITHIN
                room -= 1
                wake(key)

    def _room(self) -> int:
        if self._claims_come_first():
            return 0
        pods, now = self._world.pods, self._now()
        self._let_in = {k: until for k, until in self._let_in.items() if until > now and self._is_on_its_way(k)}
        counts_for = gate.LONGEST if self._volumes_are_bound(now) else COUNTS_FOR
        return self._most - len(self._let_in) - sum(pods.items[k].created_at > now - counts_for for k in pods.gated)

    def _volumes_are_bound(self, now: datetime) -> bool:
        """However slowly: more pods at a time would make it slower yet."""
        pods = self._world.pods
        opened = (pods.items[key] for key in self._gated - pods.gated if key in pods.items)
        if any(pod.created_at > now - gate.LONGEST for pod in opened):
            self._last_bound = now
        self._gated = set(pods.gated)
        return self._last_bound is not None and self._last_bound > now - COUNTS_FOR

    def _claims_come_first(self) -> bool:
        if len(self._world.called) <= FEW_CLAIMS:
            self._claims_come_first_since = None
            return False
        self._claims_come_first_since = self._claims_come_first_since or self._now()
        return self._now() - self._claims_come_first_since < CLAIMS_COME_FIRST_FOR

    def _is_on_its_way(self, key: Key) -> bool:
        """Here: another executor may have taken it over."""
        command = self._world.commands.items.get(key)
        if command is None or not command.is_active or command.status.pod_name is not None:
            return False
        claim = command.status.claim
        if claim is None or claim.executor != self._executor:
            return False
        return (command.namespace, agent_pod_name(command.name, command.attempt)) not in self._world.pods.items
