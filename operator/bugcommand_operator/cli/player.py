"""Plays a recording's events in time. What is shown has gone through the filter; keys pause, go on and end it."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from bugcommand_operator.cli.recording import Event, Output
from bugcommand_operator.cli.terminal_filter import CLEAR, LEAVE_ALTERNATE, TerminalFilter

PAUSE, STEP, QUIT = " ", ".", "q"
_LONGEST_WAIT = 3600.0


class Screen(Protocol):
    def write(self, text: str) -> None: ...

    def key(self, seconds: float) -> str:
        """A key that was pressed within that time, else empty."""
        ...


@dataclass(frozen=True)
class Pace:
    speed: float = 1.0
    idle_limit: float = math.inf
    at: float = 0.0


@dataclass
class Player:
    screen: Screen
    pace: Pace
    clock: Callable[[], float] = time.monotonic

    def play(self, events: Iterator[Event]) -> bool:
        """Whether it was played to its end."""
        through = TerminalFilter()
        try:
            self.screen.write(CLEAR)
            return self._play(events, through)
        finally:
            if through.on_alternate_screen:
                self.screen.write(LEAVE_ALTERNATE)

    def _play(self, events: Iterator[Event], through: TerminalFilter) -> bool:
        """Waits are kept to a schedule, so that slow writing adds no delay."""
        due, last = self.clock(), self.pace.at
        for event in events:
            if event.at > last:
                due += min(event.at - last, self.pace.idle_limit) / self.pace.speed
                last = event.at
                if not (resumed := self._wait_until(due)):
                    return False
                due = resumed
            if isinstance(event, Output) and (text := through.pass_on(event.text)):
                self.screen.write(text)
        return True

    def _wait_until(self, due: float) -> float:
        """The time that the schedule goes on from (later than `due` after a pause); 0 when it is to end."""
        while True:  # ends when it is due, or by a key
            key = self.screen.key(min(max(due - self.clock(), 0.0), _LONGEST_WAIT))
            if key == QUIT:
                return 0.0
            if key == STEP:
                return self.clock()
            if key == PAUSE:
                left = max(due - self.clock(), 0.0)
                if not self._paused():
                    return 0.0
                due = self.clock() + left
            elif not key and self.clock() >= due:
                return due

    def _paused(self) -> bool:
        """Until another key; False when it is to end."""
        while not (key := self.screen.key(_LONGEST_WAIT)):
            pass
        return key != QUIT
