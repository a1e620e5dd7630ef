"""`status.queuePosition` is exact where it matters, and never a storm of writes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import NAMESPACE, UID
from tests.support.cluster_model import Call, ClusterModel, bug_command
from tests.support.fake_kube import FakeKube

from bugcommand_operator.cluster.errors import Conflict
from bugcommand_operator.core.queueing import EXACT_PLACES
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor.positions import WRITES_PER_ROUND, Positions
from bugcommand_operator.executor.world import World

WAITS = {
    "type": "Ready",
    "status": "False",
    "reason": "ConcurrencyLimitReached",
    "lastTransitionTime": "2026-03-01T12:00:00Z",
}


class Waiting:
    def __init__(self, count: int) -> None:
        self.cluster = ClusterModel()
        self.world = World()
        self.kube = FakeKube(self.cluster)
        self.positions = Positions(self.kube, self.world)
        for number in range(count):
            name = f"bug-{number:05d}"
            self.cluster.create(bug_command(name, NAMESPACE, f"{number:08d}" + UID[8:]))
            self.patch(name, {"conditions": [WAITS]})
        self.cluster.calls.clear()

    def patch(self, name: str, status: dict[str, Any]) -> None:
        self.world.put_command(self.cluster.patch("BugCommand", NAMESPACE, name, {"status": status}, status=True))

    def shown(self) -> list[int | None]:
        return [obj["status"].get("queuePosition") for obj in self.cluster.of_kind("BugCommand")]

    def writes(self) -> int:
        written = len(self.cluster.calls)
        self.cluster.calls.clear()
        return written


async def test_the_first_are_told_at_once_and_all_others_in_turn() -> None:
    waiting = Waiting(40)
    await waiting.positions.round()
    assert waiting.shown()[:WRITES_PER_ROUND] == list(range(1, WRITES_PER_ROUND + 1))
    assert waiting.writes() <= 2 * WRITES_PER_ROUND
    for _ in range(20):
        await waiting.positions.round()
        assert waiting.writes() <= 2 * WRITES_PER_ROUND
    assert waiting.shown() == list(range(1, 41))


async def test_what_is_right_is_not_written_again() -> None:
    waiting = Waiting(12)
    for _ in range(8):
        await waiting.positions.round()
    waiting.writes()
    await waiting.positions.round()
    assert waiting.writes() == 0


async def test_when_the_first_goes_the_others_move_up_and_those_far_back_stay() -> None:
    waiting = Waiting(130)
    for _ in range(60):
        await waiting.positions.round()
    assert waiting.shown()[-1] == 130
    waiting.writes()
    waiting.patch("bug-00000", {"claim": {"executor": "e", "machine": "m", "epoch": 1, "at": "2026-03-01T12:00:00Z"}})
    waiting.writes()
    total = 0
    for _ in range(60):
        await waiting.positions.round()
        total += waiting.writes()
    assert waiting.shown()[1:11] == list(range(1, 11))
    assert total == EXACT_PLACES, "what the others show is right to a tenth"


async def test_who_was_called_up_is_left_alone_and_so_is_what_is_another_s_to_tell() -> None:
    waiting = Waiting(3)
    waiting.world.call_up((NAMESPACE, "bug-00000"), Identity("e", "m"))
    waiting.positions = Positions(waiting.kube, waiting.world, lambda command: command.name != "bug-00001")
    await waiting.positions.round()
    assert waiting.shown() == [None, None, 3]


async def test_one_that_changed_meanwhile_is_left_to_a_later_round() -> None:
    waiting = Waiting(2)

    def changed(call: Call) -> None:
        raise Conflict("by the test")

    waiting.cluster.before = changed
    await waiting.positions.round()
    assert waiting.shown() == [None, None]
    waiting.cluster.before = lambda _: None
    await waiting.positions.round()
    assert waiting.shown() == [1, 2]


@pytest.mark.parametrize("count", [0, 1])
async def test_a_short_queue_is_no_trouble(count: int) -> None:
    waiting = Waiting(count)
    for _ in range(3):
        await waiting.positions.round()
    assert waiting.shown() == [1][:count]
