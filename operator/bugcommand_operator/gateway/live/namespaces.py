"""The logs of all commands of some namespaces, from now on: each is followed from the line that made it known.

What is not announced here cannot be known (there is no cursor over commands), so whoever reads this way is told of
an interruption. All of it is bounded: few commands are followed closely, of more the cursor is kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import suppress

from bugcommand_operator.gateway.live.access import Credential, Gate
from bugcommand_operator.gateway.live.cursor import Cursor
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.following import SOON, Following
from bugcommand_operator.gateway.live.line import Page
from bugcommand_operator.store.errors import StoreError
from bugcommand_operator.store.lines import AttemptKey

_FOLLOWED, _REMEMBERED = 200, 5000


class Interrupted(Exception):
    """Something may have been missed: the reader has to be told."""


class NamespaceFollower:
    """Commits of these namespaces, as pages of one command each. `close` it."""

    def __init__(self, feed: Feed, credential: Credential, namespaces: Collection[str]) -> None:
        self._feed, self._credential = feed, credential
        self._woken = asyncio.Event()
        self._news: OrderedDict[str, dict[int, int]] = OrderedDict()  # command: attempt: what comes before its news
        self._followed: OrderedDict[str, tuple[Following, Gate]] = OrderedDict()
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._is_interrupted = False
        self._ends = [feed.sight(namespace, self._sighted, self._interrupt) for namespace in namespaces]

    def close(self) -> None:
        for end in self._ends:
            end()
        for following, _ in self._followed.values():
            following.close()
        self._followed.clear()

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Never ends by itself. Raises `Interrupted` when lines may have been missed."""
        while True:
            self._woken.clear()
            wait = self._feed.poll_seconds
            for command_id in tuple(self._news):
                news = self._news.pop(command_id)
                found = await self._follow(command_id, news)
                while found and await found[1].is_open() and (page := await found[0].page()) is not None:
                    yield page
                    await asyncio.sleep(0)
                if found is None or found[0].look_again <= SOON or found[1].is_unknown:
                    # The store or the API server is away, or lines are waited for.
                    self._keep(command_id, news if found is None else {})
                    wait = SOON
                self._check()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait)
            self._check()

    async def _follow(self, command_id: str, news: dict[int, int]) -> tuple[Following, Gate] | None:
        if command_id in self._followed:
            self._followed.move_to_end(command_id)
            return self._followed[command_id]
        cursor = self._cursors.pop(command_id, None)
        if cursor is None:
            try:
                far = await self._feed.how_far([command_id])
            except StoreError:
                return None
            news = _earliest(news, self._news.get(command_id, {}))  # what was heard of in the meantime
            cursor = _earliest({key.attempt: last for key, last in far.items()}, news)
        following = self._feed.follow(command_id, cursor, lambda: self._note(command_id, {}))
        self._followed[command_id] = (following, Gate(self._credential, command_id))
        self._make_room()
        return self._followed[command_id]

    def _make_room(self) -> None:
        while len(self._followed) > _FOLLOWED:
            command_id, (following, _) = self._followed.popitem(last=False)
            following.close()
            self._cursors[command_id] = following.cursor
        while len(self._cursors) > _REMEMBERED:
            self._cursors.popitem(last=False)

    def _sighted(self, key: AttemptKey, first_seq: int) -> None:
        self._note(key.command_id, {key.attempt: first_seq - 1})

    def _note(self, command_id: str, news: dict[int, int]) -> None:
        self._keep(command_id, news)
        self._woken.set()

    def _keep(self, command_id: str, news: dict[int, int]) -> None:
        self._news[command_id] = _earliest(self._news.get(command_id, {}), news)
        if len(self._news) > _REMEMBERED:
            self._news.popitem()
            self._interrupt()

    def _interrupt(self) -> None:
        self._is_interrupted = True
        self._woken.set()

    def _check(self) -> None:
        if self._is_interrupted:
            raise Interrupted("lines may have been missed")


def _earliest(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {n: min(place[n] for place in (one, other) if n in place) for n in {*one, *other}}
