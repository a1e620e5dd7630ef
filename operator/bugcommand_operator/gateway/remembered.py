"""What the API server has to be spared: the same question again, the same question from many at once, more than a
few at a time, and one client's made-up questions taking the room of everybody else's.

Good answers are kept for a minute, bad ones for a moment, failures never. All of it is bounded.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bugcommand_operator.cluster.token_review import IdentityError, IdentityUnavailable

Answer = TypeVar("Answer")
MAX_WAITING = 256
MAX_WAITING_PER_CLIENT = 4


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Answer]):
    until: float
    answer: Answer | IdentityError


class Remembered(Generic[Answer]):
    """Answers by key. An `IdentityError` counts as a bad answer, and so does whatever `is_good` says is one."""

    def __init__(
        self,
        *,
        is_good: Callable[[Answer], bool] = lambda _answer: True,
        good_seconds: float = 60.0,
        bad_seconds: float = 5.0,
        size: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_good, self._clock, self._size = is_good, clock, size
        self._good_seconds, self._bad_seconds = good_seconds, bad_seconds
        # Apart, so that a flood of made-up questions cannot push out the answers that are in use.
        self._good: OrderedDict[bytes, _Kept[Answer]] = OrderedDict()
        self._bad: OrderedDict[bytes, _Kept[Answer]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Answer]] = {}
        self._open_by: Counter[str] = Counter()
        self._few_at_a_time = asyncio.Semaphore(16)

    async def get(self, key: bytes, ask: Callable[[], Awaitable[Answer]], client: str = "") -> Answer:
        """The answer kept under this key, else the one that `ask` gives; `client` is whoever makes us ask."""
        kept = self._known(key)
        if kept is None:
            return await asyncio.shield(self._asking.get(key) or self._start(key, ask, client))
        if isinstance(kept.answer, IdentityError):
            raise type(kept.answer)(*kept.answer.args)
        return kept.answer

    def _known(self, key: bytes) -> _Kept[Answer] | None:
        now = self._clock()
        for where in (self._good, self._bad):
            kept = where.get(key)
            if kept is not None and kept.until > now:
                return kept
        return None

    def _start(self, key: bytes, ask: Callable[[], Awaitable[Answer]], client: str) -> asyncio.Task[Answer]:
        if len(self._asking) >= MAX_WAITING or (client and self._open_by[client] >= MAX_WAITING_PER_CLIENT):
            raise IdentityUnavailable("too many tokens are being reviewed")
        self._open_by[client] += 1
        task = asyncio.create_task(self._ask(key, ask))
        self._asking[key] = task
        task.add_done_callback(lambda done: self._asked(key, client, done))
        return task

    def _asked(self, key: bytes, client: str, task: asyncio.Task[Answer]) -> None:
        self._asking.pop(key, None)
        self._open_by[client] -= 1
        if self._open_by[client] <= 0:
            del self._open_by[client]
        if not task.cancelled():
            task.exception()  # seen, even when whoever asked has gone away

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._few_at_a_time:
            try:
                answer = await ask()
            except IdentityUnavailable:
                raise
            except IdentityError as refusal:
                self._keep(key, type(refusal)(*refusal.args), good=False)  # without its traceback
                raise
        self._keep(key, answer, good=self._is_good(answer))
        return answer

    def _keep(self, key: bytes, answer: Answer | IdentityError, *, good: bool) -> None:
        self._good.pop(key, None)
        self._bad.pop(key, None)
        where = self._good if good else self._bad
        where[key] = _Kept(self._clock() + (self._good_seconds if good else self._bad_seconds), answer)
        while len(where) > self._size:
            where.popitem(last=False)
