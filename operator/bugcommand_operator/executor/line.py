"""The commands that wait, in their order, by lane: those of one lane are held up by the same limits. Finding who is
next looks at the head of each lane, so that ten thousand behind a full Repository cost no more than one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.queueing import Turn

Key = tuple[str, str]


class Lane(NamedTuple):
    namespace: str
    repository: str
    with_worktree: bool


def lane_of(command: Command) -> Lane:
    return Lane(command.namespace, command.spec.repository.name, command.spec.with_worktree)


class Order:
    """Turns, sorted; each key once."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._of: dict[Key, Turn] = {}

    def put(self, turn: Turn) -> None:
        if self._of.get(turn.key) != turn:
            self.drop(turn.key)
            self._of[turn.key] = turn
            insort(self._turns, turn)

    def drop(self, key: Key) -> None:
        turn = self._of.pop(key, None)
        if turn is not None:
            del self._turns[bisect_left(self._turns, turn)]

    def place(self, turn: Turn) -> int:
        """Counted from 1; also of one that is not in it."""
        return bisect_left(self._turns, turn) + 1

    def after(self, turn: Turn | None, most: int) -> Iterator[tuple[int, Turn]]:
        """Places and turns from there on, or from the beginning."""
        start = bisect_right(self._turns, turn) if turn is not None else 0
        return enumerate(self._turns[start : start + most], start + 1)

    @property
    def first(self) -> Turn:
        return self._turns[0]

    def __len__(self) -> int:
        return len(self._turns)


class Line:
    def __init__(self) -> None:
        self._lanes: dict[Lane, Order] = {}
        self._heads: list[tuple[Turn, Lane]] = []
        self._lane_of: dict[Key, Lane] = {}

    def put(self, turn: Turn, lane: Lane) -> None:
        if self._lane_of.get(turn.key, lane) != lane:
            self.drop(turn.key)
        self._lane_of[turn.key] = lane
        with_others = self._without_head(lane)
        with_others.put(turn)
        self._set_head(lane, with_others)

    def drop(self, key: Key) -> None:
        lane = self._lane_of.pop(key, None)
        if lane is not None:
            with_others = self._without_head(lane)
            with_others.drop(key)
            self._set_head(lane, with_others)

    def next(self, has_room: Callable[[Lane], bool]) -> Key | None:
        return next((turn.key for turn, lane in self._heads if has_room(lane)), None)

    def __contains__(self, key: object) -> bool:
        return key in self._lane_of

    def __len__(self) -> int:
        return len(self._lane_of)

    def _without_head(self, lane: Lane) -> Order:
        order = self._lanes.setdefault(lane, Order())
        if order:
            del self._heads[bisect_left(self._heads, (order.first, lane))]
        return order

    def _set_head(self, lane: Lane, order: Order) -> None:
        if order:
            insort(self._heads, (order.first, lane))
        else:
            del self._lanes[lane]
