"""Work by key: once at a time for a key, in parallel over keys, again after a failure, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from bugcommand_operator.executor.keyed_queue import FIRST_BACKOFF, LAST_BACKOFF, Key, KeyedQueue, backoff

A, B = ("ns", "a"), ("ns", "b")
pytestmark = pytest.mark.looptime
Work = Callable[[Key], Awaitable[float | None]]


@asynccontextmanager
async def running(
    work: Work, workers: int = 4, is_put_off: Callable[[Key], bool] = lambda _key: False
) -> AsyncIterator[KeyedQueue]:
    queue = KeyedQueue(work, workers, is_put_off=is_put_off)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Recorder:
    """Works for a second, and notes when it began with what."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.began: list[tuple[float, Key]] = []
        self.at_once = 0
        self.most_at_once = 0
        self._answers = list(answers)

    async def __call__(self, key: Key) -> float | None:
        self.began.append((asyncio.get_running_loop().time(), key))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(1)
        self.at_once -= 1
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def times(self, key: Key = A) -> list[float]:
        return [at for at, who in self.began if who == key]


async def test_a_key_that_waits_is_not_taken_twice() -> None:
    work = Recorder()
    async with running(work) as queue:
        for _ in range(5):
            queue.add(A)
        await asyncio.sleep(10)

    assert len(work.began) == 1


async def test_a_key_that_is_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    work = Recorder()
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add(A)
        queue.add(A)
        await asyncio.sleep(10)

    assert len(work.began) == 2
    assert work.most_at_once == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    work = Recorder()
    async with running(work) as queue:
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(0.5)
        assert work.at_once == 2


async def test_no_more_is_worked_on_than_there_are_workers() -> None:
    work = Recorder()
    async with running(work, workers=3) as queue:
        for n in range(20):
            queue.add(("ns", str(n)))
        await asyncio.sleep(30)

    assert work.most_at_once == 3
    assert len(work.began) == 20


async def test_a_failure_is_tried_again_later_and_later_and_stops_no_other_key() -> None:
    failures = [RuntimeError("no")] * 12
    work = Recorder(*failures)
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(200)
        queue.add(B)
        await asyncio.sleep(2)

    gaps = [later - sooner - 1 for sooner, later in zip(work.times(), work.times()[1:], strict=False)]
    assert FIRST_BACKOFF / 2 <= gaps[0] <= FIRST_BACKOFF
    assert all(gap <= LAST_BACKOFF for gap in gaps)
    assert gaps[8] > 5 > gaps[3]
    assert work.times(B)


async def test_a_pass_that_was_put_off_forgets_no_failure() -> None:
    """One that only stands in a line; else each try would come as soon as the first."""
    work, tries = Recorder(), 12
    outcomes = [RuntimeError("no"), None] * tries
    put_off: set[Key] = set()

    async def put_off_every_second_time(key: Key) -> float | None:
        outcome = outcomes[len(work.began) % len(outcomes)]
        await work(key)
        put_off.clear()
        if outcome is not None:
            raise outcome
        put_off.add(key)
        return 0.0

    async with running(put_off_every_second_time, is_put_off=put_off.__contains__) as queue:
        queue.add(A)
        await asyncio.sleep(2 * tries * (1 + LAST_BACKOFF))
        times = work.times()[: 2 * tries]

    waited = [later - earlier - 1 for earlier, later in zip(times[::2], times[1::2], strict=True)]
    assert waited[-1] >= LAST_BACKOFF / 2


async def test_a_success_forgets_earlier_failures() -> None:
    work = Recorder(*[RuntimeError("no")] * 6, None, RuntimeError("no"))
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(60)
        queue.add(A)
        await asyncio.sleep(60)

    first_gap, *_, gap_after_success = (b - a - 1 for a, b in zip(work.times(), work.times()[1:], strict=False))
    assert gap_after_success <= FIRST_BACKOFF
    assert first_gap <= FIRST_BACKOFF


async def test_a_pass_that_asks_for_it_is_looked_at_again_in_time() -> None:
    work = Recorder(30.0)
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(100)

    assert work.times() == pytest.approx([work.times()[0], work.times()[0] + 31])


async def test_the_earliest_of_several_times_wins() -> None:
    work = Recorder()
    async with running(work) as queue:
        began = asyncio.get_running_loop().time()
        queue.add_after(A, 50)
        queue.add_after(A, 5)
        queue.add_after(A, 20)
        await asyncio.sleep(100)

    assert work.times() == pytest.approx([began + 5])


async def test_an_event_does_not_wait_for_the_time_that_was_asked_for() -> None:
    work = Recorder(300.0)
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(2)
        queue.add(A)
        await asyncio.sleep(0.5)

    assert len(work.began) == 2


async def test_nothing_is_lost_of_many_adds_in_any_order() -> None:
    """Each add is followed by a pass that began after it."""
    last_added: dict[Key, float] = {}
    last_began: dict[Key, float] = {}
    loop = asyncio.get_running_loop()

    async def work(key: Key) -> None:
        last_began[key] = loop.time()
        await asyncio.sleep(0.7)

    async with running(work, workers=2) as queue:
        for n in range(200):
            key = ("ns", str(n % 7))
            queue.add(key)
            last_added[key] = loop.time()
            await asyncio.sleep(0.13)
        await asyncio.sleep(60)
        assert len(queue) == 0

    assert all(last_began[key] >= at for key, at in last_added.items())


def test_a_back_off_grows_is_bounded_and_spread() -> None:
    assert all(FIRST_BACKOFF / 2 <= backoff(1) <= FIRST_BACKOFF for _ in range(50))
    assert all(LAST_BACKOFF / 2 <= backoff(n) <= LAST_BACKOFF for n in (12, 50, 10_000))
    assert len({backoff(5) for _ in range(10)}) > 1


async def test_a_key_that_goes_first_overtakes_all_that_wait_and_is_worked_on_once() -> None:
    work = Recorder()
    queue = KeyedQueue(work, workers=1)
    keys = [("ns", str(number)) for number in range(4)]
    for key in keys:
        queue.add(key)
    queue.add_first(keys[2])
    queue.add_first(("ns", "new"))
    queue.add_at_once(keys[3])
    running_queue = asyncio.create_task(queue.run())
    await asyncio.sleep(30)
    running_queue.cancel()

    assert [key for _, key in work.began] == [keys[3], keys[2], ("ns", "new"), keys[0], keys[1]]


async def test_a_key_that_is_called_while_it_is_worked_on_is_worked_on_again() -> None:
    work = Recorder()
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add_first(A)
        await asyncio.sleep(5)

    assert len(work.times()) == 2


async def test_a_key_that_is_called_while_it_is_worked_on_goes_first_then_too() -> None:
    work = Recorder()
    queue = KeyedQueue(work, workers=1)
    running_queue = asyncio.create_task(queue.run())
    queue.add(A)
    await asyncio.sleep(0.5)
    queue.add(B)
    queue.add_first(A)
    await asyncio.sleep(5)
    running_queue.cancel()

    assert [key for _, key in work.began] == [A, A, B]


async def test_how_long_keys_wait_for_a_worker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
    monkeypatch.setattr("bugcommand_operator.executor.keyed_queue.time", clock)
    waited: list[float] = []
    queue = KeyedQueue(Recorder(), workers=1, waited=waited.append)
    task = asyncio.create_task(queue.run())
    assert queue.oldest_seconds == 0.0
    queue.add(A)
    queue.add(B)
    await asyncio.sleep(0.5)
    assert queue.oldest_seconds == pytest.approx(0.5)
    await asyncio.sleep(1)
    assert queue.oldest_seconds == pytest.approx(1.5), "work that hangs is as good as a wait"
    await asyncio.sleep(1)
    assert waited == [pytest.approx(0.0), pytest.approx(1.0)]
    assert queue.oldest_seconds == 0.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
