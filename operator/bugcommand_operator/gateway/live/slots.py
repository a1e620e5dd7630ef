"""How many may read at once: in all, and for each identity, so that one cannot take every place."""

from collections import Counter
from collections.abc import Callable

from bugcommand_operator.gateway.refusals import TryLater


class TooManyReaders(TryLater):
    def __init__(self, message: str) -> None:
        super().__init__("TooManyReaders", message, retry_after=5)


class Slots:
    def __init__(self, total: int, per_reader: int) -> None:
        self._total, self._per_reader = total, per_reader
        self._taken: Counter[str] = Counter()
        self.taken = 0

    def take(self, name: str) -> Callable[[], None]:
        """A place, and what gives it back (once). Raises `TooManyReaders`."""
        if self.taken >= self._total:
            raise TooManyReaders(f"{self._total} readers are connected already")
        if self._taken[name] >= self._per_reader:
            raise TooManyReaders(f"{self._per_reader} readers with this identity are connected already")
        self.taken += 1
        self._taken[name] += 1
        held = [name]
        return lambda: self._give_back(held)

    def _give_back(self, held: list[str]) -> None:
        while held:
            name = held.pop()
            self.taken -= 1
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
