"""How much the gateway holds in memory at once: beyond it, senders are told to come back.

A request reserves its size before its body is read and gives it back when it is answered, so that the queue
and the bodies still arriving share one bound, and a single pod cannot take all of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bugcommand_operator.gateway.refusals import TryLater


class Admission:
    def __init__(self, total: int, per_pod: int, observe: Callable[[int], object] = lambda _bytes: None) -> None:
        self._total = total
        self._per_pod = per_pod
        self._observe = observe
        self._held: Counter[str] = Counter()
        self._sum = 0

    @contextmanager
    def reserve(self, pod_uid: str, size: int) -> Iterator[None]:
        if self._sum + size > self._total:
            raise TryLater("Overloaded", "too much is waiting to be stored")
        if self._held[pod_uid] + size > self._per_pod:
            raise TryLater("TooManyRequests", "too much of this pod's is waiting to be stored")
        self._hold(pod_uid, size)
        try:
            yield
        finally:
            self._hold(pod_uid, -size)

    def _hold(self, pod_uid: str, size: int) -> None:
        self._sum += size
        self._held[pod_uid] += size
        if self._held[pod_uid] <= 0:
            del self._held[pod_uid]
        self._observe(self._sum)
