"""How many questions are open at a time."""

import asyncio

import pytest

from bugcommand_operator.gateway.rest.errors import NotNow
from bugcommand_operator.gateway.rest.slots import Slots


async def hold(slots: Slots, reader: str, until: asyncio.Event) -> None:
    async with slots.take(reader):
        await until.wait()


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_reader_cannot_take_all_and_waits_for_its_own() -> None:
    slots, end = Slots(4, 2, seconds=5), asyncio.Event()
    greedy = [asyncio.create_task(hold(slots, "greedy", end)) for _ in range(3)]
    await turns()

    async with asyncio.timeout(5), slots.take("another"):
        pass
    end.set()
    await asyncio.gather(*greedy)


async def test_one_reader_that_fills_its_queue_shuts_nobody_else_out() -> None:
    slots, end = Slots(seconds=5), asyncio.Event()
    greedy = [asyncio.create_task(hold(slots, "greedy", end)) for _ in range(67)]
    await turns()
    assert sum(task.done() for task in greedy) == 67 - 3 - 16

    taken = asyncio.create_task(hold(slots, "another", end))
    await turns()
    assert (slots._held["another"], slots._queued["another"]) == (1, 0)
    end.set()
    await taken
    refused = await asyncio.gather(*greedy, return_exceptions=True)
    assert sum(isinstance(one, NotNow) for one in refused) == 48
    assert not slots._queued


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    slots, end = Slots(1, 1, seconds=0.01), asyncio.Event()
    holding = asyncio.create_task(hold(slots, "one", end))
    await turns()

    with pytest.raises(NotNow) as refused:
        await hold(slots, "two", end)
    assert (refused.value.status, refused.value.headers()) == (503, {"Retry-After": "1"})
    end.set()
    await holding


async def test_not_too_many_wait_and_all_is_given_back_whatever_happens() -> None:
    slots, end = Slots(2, 1, waiting=2, seconds=5), asyncio.Event()
    tasks = [asyncio.create_task(hold(slots, "reader 0", end)) for _ in range(5)]
    await turns()
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 2
    assert all(isinstance(task.exception(), NotNow) for task in refused)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5), slots.take("reader 0"):
        pass
