"""One reader's place in one command's log: a cursor, moved by taking pages. It holds no lines."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.line import Page
from bugcommand_operator.gateway.live.watched import Read, Watched
from bugcommand_operator.store.errors import StoreError

_log = structlog.get_logger(__name__)
_FEWEST, _MOST = 16, 500
SOON = 1.0


class Reads(Protocol):
    poll_seconds: float

    async def read(self, watched: Watched, cursor: Cursor, limit: int) -> Read: ...

    def unfollow(self, following: "Following") -> None: ...


class Following:
    def __init__(self, feed: Reads, watched: Watched, cursor: Cursor) -> None:
        self._feed, self.watched = feed, watched
        self.cursor: Mapping[int, int] = dict(cursor)
        self._limit = 128
        self._has_caught_up = False  # the store was read to its end once since we are woken
        self.look_again = feed.poll_seconds  # in seconds, when nothing wakes us

    async def page(self) -> Page | None:
        """The next page, None when there is none now. Whoever was woken asks until there is none."""
        self.look_again = self._feed.poll_seconds
        if self._has_caught_up:
            page, is_behind = self.watched.recent(self.cursor)
            if not is_behind:
                return self._take(page)
        try:
            return self._take(await self._read())
        except StoreError as error:
            _log.info("live lines wait for the store", command_id=self.watched.command_id, error=str(error))
            self._has_caught_up, self.look_again = False, SOON
            return None

    def close(self) -> None:
        self._feed.unfollow(self)

    async def _read(self) -> Page | None:
        read = await self._feed.read(self.watched, self.cursor, self._limit)
        self._has_caught_up = not read.more and not read.waiting
        taken = len(read.page.lines) if read.page else 0
        self._limit = min(_MOST, max(_FEWEST, 2 * taken)) if read.more else self._limit
        if read.waiting:
            self.look_again = SOON
        return read.page

    def _take(self, page: Page | None) -> Page | None:
        if page is not None:
            self.cursor = page.after
        return page
