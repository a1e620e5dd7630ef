"""Whose request it is. The port is one method; this module adds to any authenticator what the API server has to be
spared: the same question again, the same question from many at once, and more than a few at a time.

An answer is kept for at most a minute, so that is how long a deleted pod's token may still be taken.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from bugcommand_operator.cluster.token_review import (
    IdentityError,
    IdentityUnavailable,
    PodIdentity,
    Unauthenticated,
)

MAX_TOKEN = 16 << 10
_MAX_WAITING = 256


class Authenticator(Protocol):
    async def authenticate(self, token: str) -> PodIdentity:
        """The bearer's identity, or an `IdentityError`."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    answer: PodIdentity | IdentityError


class CachedAuthenticator:
    """Remembers answers by the token's hash: good ones for a minute, bad ones for a moment, failures never."""

    def __init__(
        self,
        inner: Authenticator,
        *,
        good_seconds: float = 60.0,
        bad_seconds: float = 5.0,
        size: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._clock, self._size = inner, clock, size
        self._good_seconds, self._bad_seconds = good_seconds, bad_seconds
        # Apart, so that a flood of made-up tokens cannot push out those that are in use.
        self._good: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bad: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[PodIdentity]] = {}
        self._few_at_a_time = asyncio.Semaphore(16)

    async def authenticate(self, token: str) -> PodIdentity:
        if len(token) > MAX_TOKEN:
            raise Unauthenticated("the token is too long")
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known(key)
        if isinstance(known, PodIdentity):
            return known
        if known is not None:
            raise type(known)(*known.args)
        return await asyncio.shield(self._asking.get(key) or self._ask(key, token))

    def _known(self, key: bytes) -> PodIdentity | IdentityError | None:
        kept = self._good.get(key) or self._bad.get(key)
        return kept.answer if kept is not None and kept.until > self._clock() else None

    def _ask(self, key: bytes, token: str) -> asyncio.Task[PodIdentity]:
        if len(self._asking) >= _MAX_WAITING:
            raise IdentityUnavailable("too many tokens are being reviewed")
        task = asyncio.create_task(self._review(key, token))
        self._asking[key] = task
        task.add_done_callback(lambda done: self._asked(key, done))
        return task

    def _asked(self, key: bytes, task: asyncio.Task[PodIdentity]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even when whoever asked has gone away

    async def _review(self, key: bytes, token: str) -> PodIdentity:
        async with self._few_at_a_time:
            try:
                identity = await self._inner.authenticate(token)
            except IdentityUnavailable:
                raise
            except IdentityError as refusal:
                self._keep(self._bad, key, refusal, self._bad_seconds)
                raise
        self._keep(self._good, key, identity, self._good_seconds)
        return identity

    def _keep(
        self, where: OrderedDict[bytes, _Kept], key: bytes, answer: PodIdentity | IdentityError, seconds: float
    ) -> None:
        plain = answer if isinstance(answer, PodIdentity) else type(answer)(*answer.args)  # without its traceback
        where.pop(key, None)
        where[key] = _Kept(self._clock() + seconds, plain)
        while len(where) > self._size:
            where.popitem(last=False)
