"""Who is called up when there is room, and who waits behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import LIMITS, ME, NAMESPACE, UID
from tests.support.cluster_model import bug_command, definition

from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.settings import Limits
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.world import Key, World


class Queue:
    """A world of commands, and what was called up since it was last asked."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.world = World(limits.ageing)
        self._called: list[Key] = []
        self._version = 0
        self.turns = Turns(self.world, ME, limits, self._called.append)

    def put(self, number: int, status: dict[str, Any] | None = None, **spec: Any) -> Command:
        """Made a second after the one before it."""
        self._version += 1
        obj = bug_command(f"bug-{number}", NAMESPACE, f"{number:08d}" + UID[8:], **spec)
        created = f"2026-03-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        obj["metadata"] |= {"resourceVersion": str(self._version), "creationTimestamp": created}
        command = self.world.put_command({**obj, "status": status or {}})
        assert command is not None
        return command

    def claimed(self, number: int, executor: str = ME.executor, **spec: Any) -> None:
        claim = {"executor": executor, "machine": ME.machine, "epoch": 1, "at": "2026-03-01T12:00:00Z"}
        self.put(number, {"claim": claim}, **spec)

    def ended(self, number: int, **spec: Any) -> None:
        condition = {
            "type": "Succeeded",
            "status": "True",
            "reason": "Completed",
            "lastTransitionTime": "2026-03-01T12:00:00Z",
        }
        self.put(number, {"conditions": [condition]}, **spec)

    def repository(self, name: str, limit: int | None) -> None:
        self._version += 1
        more = {"concurrency": {"limit": limit}} if limit else {}
        obj = definition("Repository", name, NAMESPACE, url="https://git.example.test/x.git", **more)
        obj["metadata"] |= {"uid": name, "resourceVersion": str(self._version)}
        self.world.put_repository(obj)

    def called(self) -> list[str]:
        self.turns.call_up()
        names = [name for _, name in self._called]
        self._called.clear()
        return names


@pytest.fixture
def queue() -> Queue:
    return Queue(replace(LIMITS, executor=2))


def test_as_many_are_called_as_there_is_room_for_the_first_first(queue: Queue) -> None:
    for number in (3, 1, 2, 4):
        queue.put(number)
    queue.put(5, priority=1)

    assert queue.called() == ["bug-5", "bug-1"]
    assert queue.called() == []


def test_each_end_calls_the_next_and_a_newcomer_waits_behind_those_that_were_there(queue: Queue) -> None:
    for number in (1, 2, 3):
        queue.put(number)
    assert queue.called() == ["bug-1", "bug-2"]
    queue.claimed(1)
    queue.claimed(2)
    queue.ended(1)
    queue.called()
    newcomer = queue.put(4)

    assert "bug-3" in {name for _, name in queue.world.called}
    assert not queue.turns.begin(newcomer)


def test_a_full_repository_holds_up_its_own_and_no_other(queue: Queue) -> None:
    queue.repository("shop", 1)
    for number in (1, 2, 3):
        queue.put(number)
    queue.put(4, repository={"name": "other"})

    assert queue.called() == ["bug-1", "bug-4"]


def test_room_that_another_executor_leaves_is_taken(queue: Queue) -> None:
    queue.repository("shop", 1)
    queue.claimed(1, executor="bridge-9")
    queue.put(2)
    assert queue.called() == []
    queue.ended(1)
    assert queue.called() == ["bug-2"]


def test_a_limit_that_is_raised_calls_at_once(queue: Queue) -> None:
    queue.repository("shop", 1)
    queue.claimed(1, executor="bridge-9")
    queue.put(2)
    assert queue.called() == []
    queue.repository("shop", 2)
    assert queue.called() == ["bug-2"]


@pytest.mark.parametrize("limits", [{"machine": 1}, {"namespace": 1}])
def test_limits_over_all_executors_hold(limits: dict[str, int]) -> None:
    queue = Queue(replace(LIMITS, **limits))  # type: ignore[arg-type]
    queue.claimed(1, executor="bridge-9")
    queue.put(2, repository={"name": "other"})
    assert queue.called() == []
    queue.ended(1)
    assert queue.called() == ["bug-2"]


def test_a_checkout_is_for_one_at_a_time_and_worktrees_go_on_beside_it(queue: Queue) -> None:
    queue.put(1, withWorktree=False)
    queue.put(2, withWorktree=False)
    queue.put(3)

    assert queue.called() == ["bug-1", "bug-3"]


def test_one_that_was_called_and_may_not_be_claimed_steps_aside_for_the_next(queue: Queue) -> None:
    one, two = queue.put(1), queue.put(2)
    queue.put(3)
    assert queue.called() == ["bug-1", "bug-2"]
    assert queue.turns.begin(one)
    queue.turns.end(one.key)

    assert queue.called() == ["bug-3"]
    queue.turns.end(two.key)
    assert queue.called() == [], "it is not called again without a reason"
    assert queue.turns.begin(one), "its own next pass is one"


def test_one_that_is_called_by_its_own_pass_needs_no_other(queue: Queue) -> None:
    one = queue.put(1)
    assert queue.turns.begin(one)
    assert queue.called() == []
    queue.turns.end(one.key)
    assert queue.called() == []


def test_one_whose_room_was_taken_meanwhile_is_back_in_the_line(queue: Queue) -> None:
    queue.repository("shop", 1)
    one = queue.put(1)
    assert queue.called() == ["bug-1"]
    queue.claimed(2, executor="bridge-9")
    queue.turns.end(one.key)
    assert queue.called() == []
    queue.ended(2)
    assert queue.called() == ["bug-1"]


@pytest.mark.parametrize("end", ["claimed elsewhere", "ended", "deleted", "unreadable"])
def test_one_that_was_called_and_is_out_of_the_queue_gives_its_place_to_the_next(queue: Queue, end: str) -> None:
    for number in (1, 2, 3):
        queue.put(number)
    assert queue.called() == ["bug-1", "bug-2"]
    if end == "claimed elsewhere":
        queue.claimed(1, executor="bridge-9")
    elif end == "ended":
        queue.ended(1)
    elif end == "deleted":
        queue.world.drop_command((NAMESPACE, "bug-1"))
    else:
        queue.world.put_command({"metadata": {"namespace": NAMESPACE, "name": "bug-1"}, "spec": {}})

    assert queue.called() == ["bug-3"]


def test_ten_thousand_that_wait_are_not_looked_at_when_one_ends(queue: Queue) -> None:
    """Each look at a lane asks how full it is: counted here."""
    looks = 0
    has_room = queue.turns._lane_has_room

    def counted(lane: Any) -> bool:
        nonlocal looks
        looks += 1
        return has_room(lane)

    queue.turns._lane_has_room = counted  # type: ignore[method-assign]
    for repository in range(3):
        queue.repository(f"repo-{repository}", 1)
        queue.claimed(repository, executor="bridge-9", repository={"name": f"repo-{repository}"})
    for number in range(3, 10_000):
        queue.put(number, repository={"name": f"repo-{number % 3}"})
    assert (queue.called(), looks) == ([], 3)
    queue.ended(0, repository={"name": "repo-0"})
    assert queue.called() == ["bug-3"]
    assert looks <= 10
