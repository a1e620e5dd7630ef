"""What Postgres tells all gateways: commits of log lines, and rows of `bridge_commands`.

What was said while the connection was cut is lost. The feed makes up for it by looking; who reads without a place
to resume from is told.
"""

import json
from collections.abc import AsyncIterator

import structlog

from bugcommand_operator.gateway.live.access import Access
from bugcommand_operator.gateway.live.bridge_feed import BridgeFeed
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.store.errors import StoreError
from bugcommand_operator.store.lines import AttemptKey
from bugcommand_operator.store.notifications import BRIDGE_CHANNEL, LOG_CHANNEL, Connected, Disconnected, Event

_log = structlog.get_logger(__name__)
CHANNELS = (LOG_CHANNEL, BRIDGE_CHANNEL)


class Listener:
    def __init__(self, feed: Feed, bridge: BridgeFeed, access: Access) -> None:
        self._feed, self._bridge, self._access = feed, bridge, access
        self._was_cut = False

    async def run(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            if isinstance(event, Connected):
                await self._connected()
            elif isinstance(event, Disconnected):
                self._was_cut = True
                _log.warning("notifications of Postgres are cut", error=event.error)
            elif event.channel == LOG_CHANNEL:
                await self._lines(event.payload)
            else:
                await self._bridge.notified(event.payload)

    async def _connected(self) -> None:
        if not self._was_cut:
            return
        self._was_cut = False
        _log.warning("notifications of Postgres are back")
        self._bridge.interrupt()
        self._feed.interrupt()
        try:
            await self._feed.look()
        except StoreError as error:
            _log.info("the store cannot be looked at now", error=str(error))

    async def _lines(self, payload: str) -> None:
        try:
            told = json.loads(payload)
            command_id, attempt, last = str(told["command_id"]), int(told["attempt"]), int(told["last_seq"])
            first = int(told.get("first_seq", last))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            _log.warning("a notification of log lines is not understood", payload=payload[:200])
            return
        namespace = str(told.get("namespace", "")) or await self._namespace_of(command_id)
        self._feed.announced(AttemptKey(namespace, command_id, attempt), first, last)

    async def _namespace_of(self, command_id: str) -> str:
        """Asked only when somebody reads whole namespaces."""
        if not self._feed.sights:
            return ""
        try:
            owner = await self._access.owner(command_id)
        except StoreError:
            self._feed.interrupt()
            return ""
        return owner.namespace if owner is not None else ""
