"""Who reads, and whether they still may. Asked again each minute, since a stream lasts longer than a right may.

What may not be read and what does not exist look the same from outside: a stream that stays silent.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog

from bugcommand_operator.cluster.token_review import IdentityUnavailable, Unauthenticated
from bugcommand_operator.gateway.live.ports import LineSource, Owner
from bugcommand_operator.gateway.readers import Reader, ReaderAuth
from bugcommand_operator.store.errors import StoreError

_log = structlog.get_logger(__name__)
CHECK_SECONDS = 60.0


class Access:
    """Rights by namespace and repository, for commands by their id."""

    def __init__(self, auth: ReaderAuth, lines: LineSource) -> None:
        self.auth, self._lines = auth, lines
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, Owner]] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def owner(self, command_id: str) -> Owner | None:
        """A line wakes all readers of a command at once: what is asked before a question to the store begins is in it,
        so that no answer is older than who asked for it."""
        self._wanted.add(command_id)
        if self._next is None:
            self._next = asyncio.create_task(self._owners_of_all())
        return (await asyncio.shield(self._next)).get(command_id)

    async def _owners_of_all(self) -> Mapping[str, Owner]:
        async with self._one_at_a_time:
            wanted, self._wanted, self._next = self._wanted, set(), None
            return await self._lines.owners(wanted)

    async def may_read_command(self, reader: Reader, command_id: str) -> bool | None:
        """None when it cannot be told now."""
        try:
            owner = await self.owner(command_id)
            return owner is not None and await self.auth.may_read(reader, owner.namespace, owner.repository)
        except (StoreError, IdentityUnavailable) as error:
            _log.info("a reader's right cannot be told now", reader=reader.name, error=str(error))
            return None


class Credential:
    """A token that is in use for long. `reader` raises `Unauthenticated` once it is no longer good, to all who ask:
    several channels share one."""

    def __init__(self, access: Access, token: str, client: str, reader: Reader) -> None:
        self.access, self._token, self._client, self._reader = access, token, client, reader
        self._checked = time.monotonic()
        self._refusal: str | None = None

    async def reader(self) -> Reader:
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            await self._review(self._token)
        if self._refusal is not None:
            raise Unauthenticated(self._refusal)
        return self._reader

    async def _review(self, token: str) -> None:
        reader, refusal = self._reader, self._refusal
        try:
            reader, refusal = await self.access.auth.identify(token, self._client), None
        except Unauthenticated as error:
            refusal = str(error)
        except IdentityUnavailable as error:
            _log.info("a token cannot be reviewed now", reader=reader.name, error=str(error))
        if token == self._token:  # not renewed meanwhile
            self._reader, self._refusal = reader, refusal

    async def renew(self, token: str) -> None:
        """Another token from here on. Raises `Unauthenticated`, or `IdentityUnavailable`, and keeps the old one."""
        self._reader = await self.access.auth.identify(token, self._client)
        self._token, self._checked, self._refusal = token, time.monotonic(), None


async def identify(access: Access, token: str, client: str) -> Credential:
    """Raises `Unauthenticated` or `IdentityUnavailable`."""
    return Credential(access, token, client, await access.auth.identify(token, client))


class Gate:
    """Whether a reader may read one command: a yes holds for a minute, and longer when nobody can be asked."""

    def __init__(self, credential: Credential, command_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._credential, self._command_id, self._clock = credential, command_id, clock
        self._open_until = float("-inf")
        self.is_unknown = False  # it is not open because nobody could be asked

    async def is_open(self) -> bool:
        reader = await self._credential.reader()
        if self._clock() < self._open_until:
            return True
        may = await self._credential.access.may_read_command(reader, self._command_id)
        self.is_unknown = may is None
        was_open = self._open_until > float("-inf")
        if may or (may is None and was_open):
            self._open_until = self._clock() + CHECK_SECONDS
            return True
        self._open_until = float("-inf")
        return False
