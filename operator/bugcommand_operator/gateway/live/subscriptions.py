"""One binding of a channel, served: rows become messages for as long as the reader may read them.

`prepare` runs before the join is answered, so that what is committed after the answer is not missed.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.cluster.token_review import IdentityUnavailable
from bugcommand_operator.gateway.live.access import Credential, Gate
from bugcommand_operator.gateway.live.bindings import SPAWN_LOGS, BadBinding, Binding
from bugcommand_operator.gateway.live.bridge_feed import BridgeFeed, BridgeFollower
from bugcommand_operator.gateway.live.changes import LineMessages, row_message
from bugcommand_operator.gateway.live.cursor import Cursor, parse_cursor
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.line import Page
from bugcommand_operator.gateway.live.namespaces import Interrupted, NamespaceFollower
from bugcommand_operator.gateway.live.pages import follow_pages
from bugcommand_operator.gateway.readers import Reader

_REMEMBERED = 1000


@dataclass(frozen=True)
class Sources:
    """Where rows come from. No `bridge` with SQLite, which nobody else writes."""

    feed: Feed
    bridge: BridgeFeed | None


class Subscription(Protocol):
    def messages(self) -> AsyncGenerator[str, None]: ...

    def close(self) -> None: ...


class CommandSubscription:
    """A command's lines after a cursor."""

    def __init__(self, feed: Feed, credential: Credential, cursor: Cursor, topic: str, binding: Binding) -> None:
        command_id = binding.command_id or ""
        self._pages = follow_pages(feed, command_id, cursor, Gate(credential, command_id))
        self._messages = LineMessages(topic, binding)

    async def messages(self) -> AsyncGenerator[str, None]:
        async with aclosing(self._pages) as pages:
            async for page in pages:
                for text in _texts(page, self._messages):
                    yield text

    def close(self) -> None:
        """Nothing is held before the first page is asked for, and nothing after the last."""


class NamespaceSubscription:
    """The lines of all commands of some namespaces."""

    def __init__(
        self, feed: Feed, credential: Credential, namespaces: frozenset[str], topic: str, binding: Binding
    ) -> None:
        self._follower = NamespaceFollower(feed, credential, namespaces)
        self._messages = LineMessages(topic, binding)

    async def messages(self) -> AsyncGenerator[str, None]:
        async with aclosing(self._follower.pages()) as pages:
            async for page in pages:
                for text in _texts(page, self._messages):
                    yield text

    def close(self) -> None:
        self._follower.close()


class BridgeSubscription:
    """Changes of `bridge_commands` in namespaces and repositories that may be read."""

    def __init__(self, follower: BridgeFollower, credential: Credential, topic: str, binding: Binding) -> None:
        self._follower, self._credential, self._topic, self._binding = follower, credential, topic, binding
        self._readable: set[tuple[Reader, str, str]] = set()  # as far as was last heard

    async def messages(self) -> AsyncGenerator[str, None]:
        async with aclosing(self._follower.changes()) as changes:
            async for change in changes:
                if await self._may_read(change.record):
                    text = row_message(self._topic, self._binding, change.event, change.record)
                    if text is not None:
                        yield text

    def close(self) -> None:
        self._follower.close()

    async def _may_read(self, record: Mapping[str, Any]) -> bool:
        """When it cannot be told the last yes holds, and without one the reader is told of an interruption."""
        namespace, repository = record.get("namespace"), record.get("repository") or ""
        if not namespace:
            return False  # nobody's yet
        asked = (await self._credential.reader(), str(namespace), str(repository))
        try:
            may = await self._credential.access.auth.may_read(*asked)
        except IdentityUnavailable as error:
            if asked in self._readable:
                return True
            raise Interrupted("it cannot be told now which changes may be read") from error
        self._readable.discard(asked)
        if may and len(self._readable) < _REMEMBERED:
            self._readable.add(asked)
        return may


async def prepare(
    sources: Sources, credential: Credential, after: object, topic: str, binding: Binding
) -> Subscription:
    """Raises `BadBinding`, `StoreError` or what `Credential.reader` does."""
    if binding.table == SPAWN_LOGS and binding.command_id:
        cursor = await _cursor(sources.feed, binding.command_id, after)
        return CommandSubscription(sources.feed, credential, cursor, topic, binding)
    namespaces = await _namespaces(credential, binding)
    if binding.table == SPAWN_LOGS:
        return NamespaceSubscription(sources.feed, credential, namespaces, topic, binding)
    if sources.bridge is None:
        raise BadBinding("bridge_commands is published from Postgres only")
    return BridgeSubscription(sources.bridge.follow(), credential, topic, binding)


def _texts(page: Page, messages: LineMessages) -> list[str]:
    return [text for line in page.lines if (text := messages.text(line)) is not None]


async def _cursor(feed: Feed, command_id: str, after: object) -> Cursor:
    """From where: what the join says, else what is committed by now."""
    if after is None or after == "now":
        return {key.attempt: last for key, last in (await feed.how_far([command_id])).items()}
    try:
        return parse_cursor(str(after))
    except ValueError as error:
        raise BadBinding(f"after: {error}") from error


async def _namespaces(credential: Credential, binding: Binding) -> frozenset[str]:
    """The namespaces that are meant, and may be read; the filter names one, or the token is bound to some."""
    reader = await credential.reader()
    namespaces = frozenset({binding.namespace}) if binding.namespace else reader.namespaces
    if namespaces is None:
        raise BadBinding("a filter command_id=eq.… or namespace=eq.… is required")
    for namespace in namespaces:
        if not await _may_read_some(credential, reader, namespace):
            raise BadBinding(f"nothing may be read in namespace {namespace}")
    return namespaces


async def _may_read_some(credential: Credential, reader: Reader, namespace: str) -> bool:
    """Whether any repository's rows there may be read; each row is checked again by its own."""
    repositories = reader.repositories if reader.repositories is not None else {""}
    for repository in repositories:
        if await credential.access.auth.may_read(reader, namespace, repository):
            return True
    return False
