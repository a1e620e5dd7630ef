"""Which pod a token is of. The port is one method; an answer is remembered for at most a minute, so that is how long
a deleted pod's token may still be taken.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

from bugcommand_operator.cluster.token_review import PodIdentity, Unauthenticated
from bugcommand_operator.gateway.remembered import Remembered

MAX_TOKEN = 16 << 10


class Authenticator(Protocol):
    async def authenticate(self, token: str, client: str = "") -> PodIdentity:
        """The bearer's identity, or an `IdentityError`. `client` is the address that the token came from."""
        ...


class PodSource(Protocol):
    async def authenticate(self, token: str) -> PodIdentity: ...


class CachedAuthenticator:
    """Remembers answers by the token's hash."""

    def __init__(
        self,
        inner: PodSource,
        *,
        good_seconds: float = 60.0,
        bad_seconds: float = 5.0,
        size: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._known = Remembered[PodIdentity](
            good_seconds=good_seconds, bad_seconds=bad_seconds, size=size, clock=clock
        )

    async def authenticate(self, token: str, client: str = "") -> PodIdentity:
        if len(token) > MAX_TOKEN:
            raise Unauthenticated("the token is too long")
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        return await self._known.get(key, lambda: self._inner.authenticate(token), client)
