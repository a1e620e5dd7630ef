"""As many commands start at once as keep the cluster busy; the others have their turn, first come first served."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import ME, NAMESPACE, NOW
from tests.support.cluster_model import bug_command

from bugcommand_operator.api.names import VOLUME_GATE
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies import gate
from bugcommand_operator.executor.starting import (
    CLAIMS_COME_FIRST_FOR,
    COUNTS_FOR,
    FEW_CLAIMS,
    IS_LOOKED_AT_WITHIN,
    Starting,
)
from bugcommand_operator.executor.world import Key, World

CLAIM = {"executor": ME.executor, "machine": ME.machine, "epoch": 1, "at": "2026-03-01T12:00:00Z"}


class Burst:
    def __init__(self, commands: int) -> None:
        self.world = World()
        self.now = NOW
        self.woken: list[Key] = []
        self.starting = Starting(self.world, ME.executor, lambda: self.now, 2)
        self._version = 0
        self.commands = [self._put(number, {"claim": CLAIM, "attempt": 1}) for number in range(commands)]

    def _put(self, number: int, status: dict[str, Any]) -> Command:
        obj = bug_command(f"bug-{number}", NAMESPACE, f"{number:08d}-0000-4000-8000-000000000000")
        obj["metadata"] |= {"resourceVersion": self._next(), "creationTimestamp": "2026-03-01T11:00:00Z"}
        command = self.world.put_command({**obj, "status": status})
        assert command is not None
        return command

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def pod(self, number: int, *gates: str) -> None:
        meta = {
            "namespace": NAMESPACE,
            "name": f"bug-{number}-1-agent",
            "uid": f"pod-{number}",
            "resourceVersion": self._next(),
            "creationTimestamp": self.now.isoformat(),
        }
        self.world.hear_pod({"metadata": meta, "spec": {"schedulingGates": [{"name": gate} for gate in gates]}})

    def pod_goes_on(self, number: int) -> None:
        """Its gate is open; it was made when it was made."""
        created = self.world.pods.items[NAMESPACE, f"bug-{number}-1-agent"].created_at
        now, self.now = self.now, created
        self.pod(number)
        self.now = now

    def end(self, number: int) -> None:
        ended = {"type": "Succeeded", "status": "True", "reason": "r", "lastTransitionTime": "2026-03-01T12:00:00Z"}
        self._put(number, {"claim": CLAIM, "attempt": 1, "conditions": [ended]})

    def call_up(self, many: int) -> None:
        """Beside the claimed ones."""
        for number in range(len(self.commands), len(self.commands) + many):
            self.world.call_up(self._put(number, {}).key, ME)

    def claimed_at_last(self, many: int) -> None:
        for key in list(self.world.called)[:many]:
            self._put(int(key[1].removeprefix("bug-")), {"claim": CLAIM, "attempt": 1})

    def taken_over(self, number: int) -> None:
        self._put(number, {"claim": {**CLAIM, "executor": "bridge-other", "epoch": 2}, "attempt": 1})

    def may_start(self) -> list[bool]:
        return [self.starting.may_start(command) for command in self.commands]

    def next(self) -> list[str]:
        self.woken.clear()
        self.starting.wake(self.woken.append)
        return [name for _, name in self.woken]


@pytest.fixture
def burst() -> Burst:
    return Burst(5)


def test_as_many_start_as_there_is_room_for_and_asking_again_changes_nothing(burst: Burst) -> None:
    assert burst.may_start() == [True, True, False, False, False]
    assert burst.may_start() == [True, True, False, False, False]
    assert burst.next() == []
    assert burst.starting.waiting == 3


def test_none_starts_while_more_than_a_few_are_to_be_claimed(burst: Burst) -> None:
    burst.call_up(FEW_CLAIMS + 1)
    assert burst.may_start() == [False] * 5
    assert burst.next() == []
    burst.claimed_at_last(1)

    assert burst.next() == ["bug-0", "bug-1"]
    assert burst.may_start() == [True, True, False, False, False]


def test_claims_that_hang_keep_nobody_from_starting_for_long(burst: Burst) -> None:
    burst.call_up(FEW_CLAIMS + 1)
    burst.may_start()
    assert burst.next() == []
    burst.now += CLAIMS_COME_FIRST_FOR

    assert burst.next() == ["bug-0", "bug-1"]


def test_each_burst_has_its_time_anew(burst: Burst) -> None:
    burst.call_up(FEW_CLAIMS + 1)
    burst.next()
    burst.claimed_at_last(FEW_CLAIMS + 1)
    burst.next()
    burst.now += CLAIMS_COME_FIRST_FOR
    burst.call_up(FEW_CLAIMS + 1)

    assert burst.may_start() == [False] * 5


def test_who_was_taken_over_by_another_executor_takes_no_place(burst: Burst) -> None:
    """Its passes decide nothing here, so that nothing else would give the place back."""
    burst.may_start()
    burst.taken_over(0)
    burst.taken_over(2)

    assert burst.next() == ["bug-3"]


def test_a_pod_takes_its_commands_place_until_its_gate_opens(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0, VOLUME_GATE)
    burst.pod(1, VOLUME_GATE)
    assert burst.next() == []
    burst.pod(0)

    assert burst.next() == ["bug-2"]
    assert burst.may_start()[2:] == [True, False, False]


def test_one_that_ends_without_a_pod_gives_its_place_to_the_next(burst: Burst) -> None:
    burst.may_start()
    burst.end(1)

    assert burst.next() == ["bug-2"]


def test_a_pod_that_is_gone_gives_its_place_to_the_next(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0, VOLUME_GATE)
    burst.world.drop_command(burst.commands[0].key)
    burst.world.pods.drop((NAMESPACE, "bug-0-1-agent"))

    assert burst.next() == ["bug-2"]


def test_nobody_waits_for_long_for_those_that_get_no_further(burst: Burst) -> None:
    """A volume that is never bound, and a command whose Repository is gone."""
    burst.may_start()
    burst.pod(0, VOLUME_GATE)
    burst.now += COUNTS_FOR + timedelta(seconds=1)

    assert burst.next() == ["bug-2", "bug-3"]


def test_while_volumes_are_bound_however_slowly_no_more_come_than_there_are_places(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0, VOLUME_GATE)
    burst.pod(1, VOLUME_GATE)
    burst.next()
    burst.now += COUNTS_FOR - timedelta(seconds=1)
    burst.pod_goes_on(0)
    assert burst.next() == ["bug-2"]
    burst.pod(2, VOLUME_GATE)
    burst.now += COUNTS_FOR - timedelta(seconds=1)
    assert burst.next() == []
    burst.now += timedelta(seconds=2)

    assert burst.next() == ["bug-3", "bug-4"], "none was bound for so long: it may be that none can be"


def test_a_gate_that_opens_because_it_was_closed_for_too_long_is_no_volume_that_was_bound(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0, VOLUME_GATE)
    burst.next()
    burst.now += gate.LONGEST
    burst.pod(1, VOLUME_GATE)
    burst.next()
    burst.pod_goes_on(0)
    burst.now += COUNTS_FOR

    assert burst.next() == ["bug-3"]


def test_asking_again_and_again_keeps_nobodys_place_longer(burst: Burst) -> None:
    for _ in range(5):
        burst.may_start()
        burst.now += COUNTS_FOR / 4

    assert burst.next() == ["bug-2", "bug-3"]


def test_who_was_woken_keeps_its_place_until_it_is_looked_at(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0)
    burst.pod(1)
    assert burst.next() == ["bug-2", "bug-3"]
    burst.now += 2 * COUNTS_FOR

    assert burst.may_start()[2:] == [True, True, False]
    burst.now += COUNTS_FOR
    assert burst.next() == ["bug-4"]


def test_who_was_woken_and_cannot_be_looked_at_keeps_nobody_for_ever(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0)
    burst.pod(1)
    assert burst.next() == ["bug-2", "bug-3"]
    burst.now += IS_LOOKED_AT_WITHIN

    assert burst.next() == ["bug-4"]


def test_who_does_not_start_gives_its_place_back_and_who_has_ended_takes_none(burst: Burst) -> None:
    burst.may_start()
    burst.starting.give_back(burst.commands[0].key)
    burst.end(2)

    assert burst.next() == ["bug-3"]


def test_who_comes_later_stands_behind_those_that_wait(burst: Burst) -> None:
    burst.may_start()
    burst.pod(0)
    burst.pod(1)

    assert not burst.starting.may_start(burst.commands[4])
    assert burst.next() == ["bug-2", "bug-3"]
