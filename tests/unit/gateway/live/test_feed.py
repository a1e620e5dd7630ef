"""The feed: every line once and in order, whatever is announced, lost, doubled or away."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.live.fakes import COMMAND, Clock, MemoryStore, batch_of, drain, follow

from bugcommand_operator.gateway.live import feed as feed_module
from bugcommand_operator.gateway.live.cursor import parse_cursor, show_cursor
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.order import PATIENCE_SECONDS
from bugcommand_operator.store.lines import LogBatch, LogRow

steps = st.lists(
    st.one_of(
        st.tuples(st.just("own"), st.integers(1, 3), st.integers(1, 30)),
        st.tuples(st.just("foreign"), st.integers(1, 3), st.integers(1, 30)),
        st.tuples(st.just("unannounced"), st.integers(1, 3), st.integers(1, 30)),
        st.tuples(st.just("swapped"), st.integers(1, 3), st.integers(1, 30)),
        st.tuples(st.just("take"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("reconnect"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("away"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("look"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class World:
    """Three readers of one command, two gateways that write, and a store that is away at times."""

    def __init__(self, ring_bytes: int) -> None:
        self.store = MemoryStore()
        self.feed = Feed(self.store, ring_bytes=ring_bytes, clock=Clock())
        self.readers = [follow(self.feed) for _ in range(3)]
        self.seen: list[list[tuple[int, int]]] = [[], [], []]
        self.last: dict[int, int] = defaultdict(int)

    def next_batch(self, attempt: int, count: int) -> LogBatch:
        first = self.last[attempt] + 1
        self.last[attempt] += count
        return batch_of(range(first, first + count), attempt)

    async def step(self, what: str, number: int, count: int) -> None:
        match what:
            case "own":
                self.own(self.next_batch(number, count))
            case "swapped":
                first, second = self.next_batch(number, count), self.next_batch(number, count)
                self.own(second)
                await self.take(0)
                self.own(first)
            case "foreign" | "unannounced":
                batch = self.next_batch(number, count)
                self.store.commit(batch)
                if what == "foreign":
                    self.tell(batch)
            case "take":
                await self.take(number)
            case "reconnect":
                self.readers[number].close()
                self.readers[number] = follow(self.feed, parse_cursor(show_cursor(self.readers[number].cursor)))
            case "away":
                self.store.away = bool(number)
            case "look" if not self.store.away:
                await self.feed.look()
        await asyncio.sleep(0)

    def own(self, batch: LogBatch) -> None:
        self.store.commit(batch)
        self.feed.announce([batch])
        self.tell(batch)  # the notification of one's own commit comes, too

    def tell(self, batch: LogBatch) -> None:
        self.feed.announced(batch.key, batch.lines[0].seq, batch.lines[-1].seq)

    async def take(self, number: int) -> None:
        page = await self.readers[number].page()
        self.seen[number] += [(line.attempt, line.seq) for line in page.lines] if page else []


@settings(deadline=None, max_examples=150)
@given(steps, st.sampled_from([3_000, 30_000, 10_000_000]))
def test_each_reader_gets_every_line_once_and_in_order(todo: list[tuple[str, int, int]], ring_bytes: int) -> None:
    async def run() -> None:
        world = World(ring_bytes)
        for what, number, count in todo:
            await world.step(what, number, count)
        world.store.away = False
        await asyncio.sleep(0.001)
        await world.feed.look()
        for number, reader in enumerate(world.readers):
            world.seen[number] += await drain(reader)
            for attempt, last in world.last.items():
                assert [seq for one, seq in world.seen[number] if one == attempt] == list(range(1, last + 1))
            reader.close()
        assert (world.feed.readers, world.feed._ring.size) == (0, 0)

    echo, feed_module._ECHO_SECONDS = feed_module._ECHO_SECONDS, 0.0
    try:
        asyncio.run(run())
    finally:
        feed_module._ECHO_SECONDS = echo


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def commit(store: MemoryStore, feed: Feed) -> Callable[[LogBatch], None]:
    def both(batch: LogBatch) -> None:
        store.commit(batch)
        feed.announce([batch])

    return both


async def test_a_reader_who_has_caught_up_is_served_from_the_ring(store: MemoryStore) -> None:
    feed = Feed(store)
    reader, other = follow(feed), follow(feed)
    assert (await drain(reader), await drain(other)) == ([], [])
    reads = store.reads
    commit(store, feed)(batch_of(range(1, 101)))
    pages = [await reader.page(), await other.page()]
    assert pages[0] is pages[1] and pages[0] is not None, "made once for both"
    assert len(pages[0].lines) == 100
    assert store.reads == reads


async def test_many_readers_at_the_same_place_share_one_read(store: MemoryStore) -> None:
    feed = Feed(store)
    store.commit(batch_of(range(1, 51)))
    readers = [follow(feed) for _ in range(40)]
    pages = await asyncio.gather(*(reader.page() for reader in readers))
    assert all(page is not None and len(page.lines) == 50 for page in pages)
    assert store.reads == 1


async def test_a_commit_wakes_only_those_who_follow_its_command(store: MemoryStore) -> None:
    feed, woken = Feed(store), list[str]()
    feed.follow("one", {}, lambda: woken.append("one"))
    feed.follow("other", {}, lambda: woken.append("other"))
    commit(store, feed)(batch_of([1], command_id="other"))
    assert woken == ["other"]


async def test_an_own_commits_notification_wakes_nobody_again(store: MemoryStore) -> None:
    feed, woken = Feed(store), list[int]()
    feed.follow(COMMAND, {}, lambda: woken.append(1))
    batch = batch_of([1, 2])
    feed.announced(batch.key, 1, 2)  # it may even come first
    commit(store, feed)(batch)
    await asyncio.sleep(feed_module._ECHO_SECONDS * 3)
    assert woken == [1]


async def test_late_lines_of_an_earlier_attempt_are_delivered(store: MemoryStore) -> None:
    feed = Feed(store)
    reader, write = follow(feed), commit(store, feed)
    write(batch_of(range(1, 11), 1))
    write(batch_of(range(1, 6), 2))
    assert len(await drain(reader)) == 15
    write(batch_of(range(11, 14), 1))
    assert await drain(reader) == [(1, 11), (1, 12), (1, 13)]
    assert reader.cursor == {1: 13, 2: 5}


async def test_a_gap_is_waited_for_and_passed_over_when_it_stays(store: MemoryStore) -> None:
    clock = Clock()
    feed = Feed(store, clock=clock)
    reader, write = follow(feed), commit(store, feed)
    write(batch_of([1, 2, 5, 6]))
    assert await drain(reader) == [(1, 1), (1, 2)]
    write(batch_of([3, 4]))
    assert await drain(reader) == [(1, 3), (1, 4), (1, 5), (1, 6)]
    write(batch_of([9]))
    assert await drain(reader) == []
    clock.now += PATIENCE_SECONDS + 0.1
    assert await drain(reader) == [(1, 9)]


async def test_lines_of_many_bytes_come_in_pages_that_are_bounded(store: MemoryStore) -> None:
    feed = Feed(store, ring_bytes=1 << 20)
    reader, write = follow(feed), commit(store, feed)
    await drain(reader)
    for seq in range(1, 41):
        write(batch_of([seq], message="x" * 65_536))
    sizes, count = list[int](), 0
    while (page := await reader.page()) is not None:
        sizes.append(sum(line.size for line in page.lines))
        count += len(page.lines)
    assert count == 40
    assert max(sizes) < 300_000
    assert feed._ring.size <= 1 << 20


async def test_while_the_store_is_away_a_reader_waits_and_misses_nothing(store: MemoryStore) -> None:
    feed = Feed(store, poll_seconds=0.01)
    reader = follow(feed)
    store.away = True
    assert await reader.page() is None
    store.commit(batch_of([1, 2]))
    store.away = False
    assert await drain(reader) == [(1, 1), (1, 2)]


async def test_the_poll_finds_what_nobody_announced(store: MemoryStore) -> None:
    feed = Feed(store, poll_seconds=0.01)
    woken = asyncio.Event()
    reader = feed.follow(COMMAND, {}, woken.set)
    await drain(reader)
    polling = asyncio.create_task(feed.run())
    store.away = True
    await asyncio.sleep(0.03)
    store.commit(batch_of([1]))
    store.away = False
    await asyncio.wait_for(woken.wait(), 5)
    assert await drain(reader) == [(1, 1)]
    polling.cancel()


async def test_nothing_is_kept_of_commands_that_nobody_follows(store: MemoryStore) -> None:
    feed = Feed(store)
    write = commit(store, feed)
    write(batch_of(range(1, 100)))
    assert (feed._ring.size, feed._watched) == (0, {})
    reader = follow(feed)
    write(batch_of(range(100, 200)))
    assert feed._ring.size > 0
    reader.close()
    reader.close()
    assert (feed._ring.size, feed._watched, feed.readers) == (0, {}, 0)


async def test_a_read_that_began_before_a_commit_is_not_shared_after_it(store: MemoryStore) -> None:
    """Else a reader that was woken would get the state before, and wait although there is more."""
    feed, began, may_end = Feed(store), asyncio.Event(), asyncio.Event()
    look_up = store.lines_after

    async def slowly(command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        rows = await look_up(command_id, cursor, limit)
        if not began.is_set():
            began.set()
            await may_end.wait()
        return rows

    store.lines_after = slowly  # type: ignore[method-assign]
    reader, other = follow(feed), follow(feed)
    first = asyncio.create_task(drain(reader))
    await began.wait()
    foreign = batch_of([1])
    store.commit(foreign)
    feed._watched[COMMAND].tell(1, 1, 0.0)
    second = asyncio.create_task(drain(other))
    await asyncio.sleep(0)
    may_end.set()
    assert await second == [(1, 1)]
    assert await first + await drain(reader) == [(1, 1)]
