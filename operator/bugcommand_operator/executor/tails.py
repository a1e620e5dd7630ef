"""Keeps `status.logs` near the end of the log of each running command of ours: one write a second a command at most,
and one budget for all of them together, so that many agents talking do not fill etcd.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from bugcommand_operator.api.bugcommand import MAX_TAIL_LINES, Logs
from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies.log_store import STORE_AWAY, store_is_missed
from bugcommand_operator.core.status import room_for_tail
from bugcommand_operator.core.tail import tail_of
from bugcommand_operator.executor import metrics
from bugcommand_operator.executor.world import Key, World
from bugcommand_operator.store.errors import StoreError
from bugcommand_operator.store.lines import AttemptKey, LogSource, Progress

EVERY_SECONDS = 1.0
WRITES_PER_ROUND = 5
MOST_EACH_SECOND = 250
"""Of so many commands that are followed, or more, rounds are as much rarer, and each writes as much more: a thousand of
them, which are hardly ever all read, would take two hundredths of a core."""
STILL_ARRIVING = timedelta(minutes=5)
"""Lines that were spooled may be stored after their command has finished."""
SOON = timedelta(seconds=10)
SELDOM = 10
"""After that soon a command that has finished is asked for in one of so many rounds: each question costs the store's
driver a few milliseconds, in all as much as hundreds of writes to the API server."""
log = structlog.get_logger()


class Tails:
    def __init__(
        self,
        kube: Kube,
        world: World,
        source: LogSource,
        executor: str,
        wake: Callable[[Key], object] = lambda _key: None,
    ) -> None:
        """`executor`: whose commands are followed. A status is its claim's executor's to write, else nobody's."""
        self._kube = kube
        self._wake = wake
        self._world = world
        self._source = source
        self._executor = executor
        self._turns: dict[AttemptKey, int] = {}
        self._turn = 0
        self._seconds, self._rest = 0, 1
        """Since the last round; and how many are to pass between two."""
        self._left: set[AttemptKey] = set()
        """Those that were behind, and that the last round's budget did not reach."""

    async def each_second(self) -> None:
        self._seconds += 1
        if self._seconds >= self._rest:
            self._seconds = 0
            await self.round()

    async def round(self) -> None:
        """One, and what it shows of the store: commands of which that changes something are looked at anew."""
        world, now = self._world, datetime.now(UTC)
        try:
            world.log_store_answers = await self.once()
            world.log_store_away_since = None
        except StoreError as error:
            log.warning("log tails not read", error=str(error))
            world.log_store_answers = False
            world.log_store_away_since = world.log_store_away_since or now
        for key, command in list(world.commands.items.items()):
            if self._is_ours(command) and command.is_active and self._is_news(command, now):
                self._wake(key)

    def _is_ours(self, command: Command) -> bool:
        """Several that keep one tail would only stand in each other's way."""
        claim = command.status.claim
        return claim is not None and claim.executor == self._executor

    def _is_news(self, command: Command, now: datetime) -> bool:
        since = self._world.log_store_away_since
        if store_is_missed(command):
            return self._world.log_store_answers
        return since is not None and now - since > STORE_AWAY and self._is_working(command)

    @staticmethod
    def _is_working(command: Command) -> bool:
        return command.condition_status(ConditionType.AGENT_RUNNING) == "True"

    async def once(self) -> bool:
        """False: there was nothing to ask the store for."""
        self._turn += 1
        followed = {attempt_key(c): c for c in self._world.commands.items.values() if self._is_followed(c)}
        budget = WRITES_PER_ROUND * self._rest
        self._rest = 1 + len(followed) // MOST_EACH_SECOND
        if not followed:
            self._left.clear()
            metrics.TAIL_LAG.set(0)
            return False
        progress = await self._source.progress([key.command_id for key in followed])
        behind = [
            (key, c, progress[key]) for key, c in followed.items() if key in progress and _is_behind(c, progress[key])
        ]
        behind.sort(key=lambda item: self._turns.get(item[0], 0))  # whoever has waited longest
        metrics.TAIL_LAG.set(sum(_missing_lines(c, reached) for _, c, reached in behind))
        for key, command, reached in behind[:budget]:
            self._turns[key] = self._turn
            await self._write(key, command.key, reached)
        self._left = {key for key, *_ in behind[budget:]}
        self._turns = {key: turn for key, turn in self._turns.items() if key in followed}
        return True

    def _is_followed(self, command: Command) -> bool:
        if not self._is_ours(command):
            return False
        if command.is_active:
            return self._may_have_spoken(command)
        ended = command.status.completion_time
        since = datetime.now(UTC) - ended if ended is not None else STILL_ARRIVING
        is_asked_for = attempt_key(command) in self._left or self._turn % max(SELDOM // self._rest, 1) == 0
        return since < max(SOON, timedelta(seconds=2 * self._rest)) or (since < STILL_ARRIVING and is_asked_for)

    def _may_have_spoken(self, command: Command) -> bool:
        """Nothing runs of a pod that no status names yet, and only a runner numbers lines: before it the store need not
        be asked."""
        name = command.status.pod_name
        pod = self._world.pods.items.get((command.namespace, name or ""))
        return name is not None and (pod is None or pod.container("agent").started_at is not None)

    async def _write(self, key: AttemptKey, command_key: Key, reached: Progress) -> None:
        lines = await self._source.tail(key, MAX_TAIL_LINES)
        command = self._world.commands.items.get(command_key)
        if command is None or attempt_key(command) != key:
            return
        logs = Logs(
            tail=tail_of(lines, room_for_tail(command.status)), lines=reached.lines, last_sequence=reached.last_sequence
        )
        body = {"metadata": {"resourceVersion": command.resource_version}, "status": {"logs": logs.to_dict()}}
        try:
            answer = await self._kube.patch("BugCommand", command.namespace, command.name, body, status=True)
        except ClusterError as error:
            log.debug("tail not written, the next round tries again", key="/".join(command_key), error=str(error))
            return
        self._world.put_command(answer)


def attempt_key(command: Command) -> AttemptKey:
    return AttemptKey(command.namespace, command.command_id, command.attempt)


def _missing_lines(command: Command, reached: Progress) -> int:
    return max(reached.lines - (command.status.logs.lines if command.status.logs else 0), 0)


def _is_behind(command: Command, reached: Progress) -> bool:
    """Different, not only less: a store that was set up anew has fewer lines than were shown."""
    logs = command.status.logs
    return logs is None or not logs.tail or (logs.lines, logs.last_sequence) != (reached.lines, reached.last_sequence)
