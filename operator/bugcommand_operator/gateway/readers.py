"""Who reads, and what they may read. Two kinds of readers: holders of a proxy token, bound to a namespace and
perhaps to some Repositories, and Kubernetes identities, who may read where they may `get` BugCommands.

The right is the namespace's, not the object's: it holds for commands that are deleted by now. Whoever asks must
not tell apart what may not be read from what does not exist.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from starlette.requests import HTTPConnection

from bugcommand_operator.cluster.token_review import KubernetesUser, Unauthenticated
from bugcommand_operator.gateway.remembered import Remembered

MAX_TOKEN = 16 << 10


@dataclass(frozen=True, slots=True)
class Reader:
    """`namespaces` and `repositories` bound what a proxy token reaches, None is no bound of its own: with a
    `user`, the API server decides for each namespace."""

    name: str
    namespaces: frozenset[str] | None
    repositories: frozenset[str] | None
    user: KubernetesUser | None = None
    scopes: frozenset[str] = frozenset({"read"})
    """What a proxy token may be used for: read, write."""


class ReaderAuth(Protocol):
    async def identify(self, token: str, client: str = "") -> Reader:
        """The token's bearer. Raises `Unauthenticated`, or `IdentityUnavailable` when it cannot be told now."""
        ...

    async def may_read(self, reader: Reader, namespace: str, repository: str) -> bool:
        """Raises `IdentityUnavailable` when it cannot be told now."""
        ...


class ProxyTokenSource(Protocol):
    async def find(self, token: str) -> Reader | None: ...


class UserSource(Protocol):
    async def user_of(self, token: str) -> KubernetesUser: ...


class AccessSource(Protocol):
    async def may(self, user: KubernetesUser, verb: str, namespace: str) -> bool: ...


class Readers:
    """The `ReaderAuth` of a gateway: proxy tokens first, then the API server, whose answers are kept a while."""

    def __init__(
        self,
        proxy_tokens: ProxyTokenSource,
        users: UserSource,
        access: AccessSource,
        *,
        namespaces: Collection[str] = (),
        known_users: Remembered[KubernetesUser] | None = None,
        known_access: Remembered[bool] | None = None,
    ) -> None:
        """`namespaces` are those that the installation works in; empty: all."""
        self._proxy_tokens, self._users, self._access = proxy_tokens, users, access
        self._namespaces = frozenset(namespaces)
        self._known_users = known_users or Remembered[KubernetesUser]()
        self._known_access = known_access or Remembered[bool](is_good=bool)

    async def identify(self, token: str, client: str = "") -> Reader:
        if not token or len(token) > MAX_TOKEN:
            raise Unauthenticated("a token is required" if not token else "the token is too long")
        holder = await self._proxy_tokens.find(token)
        if holder is not None:
            return holder
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        user = await self._known_users.get(key, lambda: self._users.user_of(token), client)
        return Reader(user.name, None, None, user)

    async def may_read(self, reader: Reader, namespace: str, repository: str) -> bool:
        return await self.may(reader, "get", namespace, repository)

    async def may(self, reader: Reader, verb: str, namespace: str, repository: str) -> bool:
        """Whether the reader may do this with BugCommands. A proxy token's scopes say it, where it is bound to."""
        if self._namespaces and namespace not in self._namespaces:
            return False
        if reader.namespaces is not None and namespace not in reader.namespaces:
            return False
        if reader.repositories is not None and repository not in reader.repositories:
            return False
        user = reader.user
        if user is None:
            return reader.namespaces is not None and ("read" if verb == "get" else "write") in reader.scopes
        key = sha256(repr((user, verb, namespace)).encode("utf-8", "surrogatepass")).digest()
        return await self._known_access.get(key, lambda: self._access.may(user, verb, namespace))


def token_of(connection: HTTPConnection) -> str:
    """The token that a request carries; only a WebSocket may have it in its URL, for browsers can set no header."""
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    named = connection.headers.get("apikey") or connection.headers.get("X-Proxy-Token") or ""
    if not named and connection.scope["type"] == "websocket":
        named = connection.query_params.get("apikey", "")
    return named.strip()


def client_of(connection: HTTPConnection) -> str:
    """The address that a request comes from, for bounds on what one address may have open."""
    return connection.client.host if connection.client is not None else ""
