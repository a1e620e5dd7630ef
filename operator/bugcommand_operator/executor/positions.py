"""Keeps `status.queuePosition` near the truth: the first places at once, all others in turn, with one budget for the
whole executor. A queue of ten thousand that moves by one is no reason to write ten thousand times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.queueing import EXACT_PLACES, Turn, shown_place, shows_well
from bugcommand_operator.executor.world import World

EVERY_SECONDS = 1.0
WRITES_PER_ROUND = 5
"""Of the first places, and as many of the others."""
LOOKS_PER_ROUND = 200
log = structlog.get_logger()


class Positions:
    def __init__(self, kube: Kube, world: World, is_mine: Callable[[Command], bool] = lambda _command: True) -> None:
        """`is_mine`: whose places this executor writes. All executors see the same queue: where two write the same, the
        second finds it written."""
        self._kube = kube
        self._world = world
        self._is_mine = is_mine
        self._reached: Turn | None = None

    async def round(self) -> None:
        queue = self._world.queue
        await self._correct(queue.after(None, EXACT_PLACES))
        rest = list(queue.after(self._reached, LOOKS_PER_ROUND))
        self._reached = await self._correct(rest)

    async def _correct(self, places: Iterable[tuple[int, Turn]]) -> Turn | None:
        """The last one that was looked at."""
        last, written = None, 0
        for place, turn in list(places):
            if written == WRITES_PER_ROUND:
                break
            last = turn
            command = self._world.commands.items.get(turn.key)
            if command is not None and self._is_wrong(command, place):
                await self._write(command, shown_place(place))
                written += 1
        return last

    def _is_wrong(self, command: Command, place: int) -> bool:
        if not command.waits_for_room or command.key in self._world.called or not self._is_mine(command):
            return False
        return not shows_well(command.status.queue_position, place)

    async def _write(self, command: Command, place: int) -> None:
        body = {"metadata": {"resourceVersion": command.resource_version}, "status": {"queuePosition": place}}
        try:
            answer = await self._kube.patch("BugCommand", command.namespace, command.name, body, status=True)
        except ClusterError as error:
            log.debug("place not written, a later round does", key="/".join(command.key), error=str(error))
            return
        self._world.put_command(answer)
