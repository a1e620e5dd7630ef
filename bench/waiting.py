"""What one pass costs the executor's own process while 10, 1,000 or 10,000 commands wait: printed, nothing is asserted.

No API server: these are the parts that must not grow with the queue. `python -m bench.waiting`
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor.turns import Turns
from bugcommand_operator.executor.world import World

ME, LIMITS = Identity("bridge-0", "site-1"), Limits(executor=50)
REPOSITORIES = 100
ROUNDS, BATCHES = 100, 10
Raw = dict[str, Any]


def command(number: int, version: int, status: Raw | None = None) -> Raw:
    name, created = f"bug-{number:05d}", f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    meta = {"namespace": "bench", "name": name, "uid": name, "resourceVersion": str(version)}
    spec = {"prompt": "Fix it.", "repository": {"name": f"repo-{number % REPOSITORIES}"}}
    return {"metadata": {**meta, "creationTimestamp": created}, "spec": spec, "status": status or {}}


def claimed(number: int, version: int) -> Raw:
    claim = {"executor": ME.executor, "machine": ME.machine, "epoch": 1, "at": "2026-01-02T00:00:00Z"}
    return command(number, version, {"claim": claim})


def ended(number: int, version: int) -> Raw:
    moment = "2026-01-02T00:00:00Z"
    success = {"type": "Succeeded", "status": "True", "reason": "Completed", "lastTransitionTime": moment}
    return command(number, version, {"conditions": [success]})


class Bench:
    def __init__(self, waiting: int) -> None:
        self.world = World(LIMITS.ageing)
        self.called: list[tuple[str, str]] = []
        self.turns = Turns(self.world, ME, LIMITS, self.called.append)
        self.version = 0
        for number in range(waiting + LIMITS.executor):
            make = claimed if number < LIMITS.executor else command
            self.world.put_command(make(number, self.next()))
        self.turns.call_up()

    def next(self) -> int:
        self.version += 1
        return self.version

    def a_pass_that_waits(self) -> None:
        waiting = self.world.commands.items["bench", f"bug-{LIMITS.executor + 5:05d}"]
        is_its_turn = self.turns.begin(waiting)
        load = self.world.room.load_for(waiting, ME)
        place = self.world.queue.place(self.world.turn_of(waiting))
        decide(Observed(waiting, ME, LIMITS, load=load, is_its_turn=is_its_turn, place=place), datetime.now(UTC))

    def an_end_that_calls_the_next(self) -> None:
        """And the next is claimed, and ends the round after."""
        number = int(self.called.pop()[1][4:]) if self.called else 0
        if number:
            self.world.put_command(claimed(number, self.next()))
        self.world.put_command(ended(number, self.next()))
        self.turns.call_up()
        self.world.put_command(command(number, self.next()))


def microseconds(work: Callable[[], None]) -> float:
    """The best of several: other programs on the machine make it only longer."""
    return min(_mean(work) for _ in range(BATCHES)) * 1e6


def _mean(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(ROUNDS):
        work()
    return (time.perf_counter() - began) / ROUNDS


def main() -> None:
    say = sys.stdout.write
    say("waiting   a pass that waits   an end that calls the next\n")
    for waiting in (10, 1_000, 10_000):
        bench = Bench(waiting)
        pass_us, end_us = microseconds(bench.a_pass_that_waits), microseconds(bench.an_end_that_calls_the_next)
        say(f"{waiting:7d}   {pass_us:14.0f} us   {end_us:20.0f} us\n")


if __name__ == "__main__":
    main()
