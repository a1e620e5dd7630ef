"""How long a cluster that does not answer is asked again: with growing pauses, and not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bugcommand_operator.cli.errors import Unreachable

GIVE_UP_SECONDS = 900.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_WORTH_TELLING = 3


@dataclass
class Patience:
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _count: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    def forget(self) -> None:
        """It answered."""
        self._count = 0

    def wait(self, error: Unreachable) -> None:
        """Until it is worth another try; raises the error when that has gone on for too long."""
        if not self._count:
            self._since = self.clock()
        self._count += 1
        if self.clock() - self._since > GIVE_UP_SECONDS:
            raise error
        if self._count == _WORTH_TELLING:
            self.say(f"{error}; trying again")
        self.sleep(min(_FIRST_PAUSE * 2 ** (self._count - 1), _LONGEST_PAUSE))
