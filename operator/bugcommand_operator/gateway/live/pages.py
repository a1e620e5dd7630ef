"""A command's log as pages, for as long as the reader stays and may read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from bugcommand_operator.gateway.live.access import Gate
from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.line import Page

_FEW_READERS = 25
_PAUSE_EACH, _LONGEST_PAUSE = 0.0002, 0.1


async def follow_pages(feed: Feed, command_id: str, cursor: Cursor, gate: Gate) -> AsyncGenerator[Page, None]:
    """Never ends by itself. Raises `Unauthenticated` once the reader's token is no longer good."""
    woken = asyncio.Event()
    following = feed.follow(command_id, cursor, woken.set)
    try:
        while True:
            woken.clear()
            page = await following.page() if await gate.is_open() else None
            if page is not None:
                yield page
                await _let_lines_gather(feed)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), following.look_again)
    finally:
        following.close()


async def _let_lines_gather(feed: Feed) -> None:
    """With many readers each round costs all of them something: a little rarer, each with more lines."""
    many = feed.readers > _FEW_READERS
    await asyncio.sleep(min(_LONGEST_PAUSE, feed.readers * _PAUSE_EACH) if many else 0)
