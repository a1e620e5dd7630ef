"""Work by key: never the same key twice at once, and nothing that was asked for is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter

from bugcommand_operator.gateway.bridge.turns import Turns


async def settled(turns: Turns) -> None:
    async with asyncio.timeout(10):
        while not turns.idle:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_key_that_is_asked_for_while_it_is_worked_on_is_worked_on_once_more() -> None:
    done: list[str] = []
    go_on = asyncio.Event()

    async def work(key: str) -> None:
        await go_on.wait()
        done.append(key)

    turns = Turns(work, workers=2)
    running = asyncio.create_task(turns.run())
    turns.add("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(5):
        turns.add("a")
        turns.add("b")
    go_on.set()
    await settled(turns)
    running.cancel()
    assert Counter(done) == {"a": 2, "b": 1}


async def test_a_key_is_never_worked_on_twice_at_once() -> None:
    busy: set[str] = set()
    most = 0
    again = iter(range(1, 50))

    async def work(key: str) -> None:
        nonlocal most
        assert key not in busy
        busy.add(key)
        most = max(most, len(busy))
        await asyncio.sleep(0)
        if next(again, None):
            turns.add(key)
        busy.discard(key)

    turns = Turns(work, workers=4)
    running = asyncio.create_task(turns.run())
    for number in range(200):
        turns.add(f"key {number % 7}")
    await settled(turns)
    running.cancel()
    assert most == 4


async def test_what_finds_no_room_is_left_out_and_can_be_asked_for_again() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    turns = Turns(work, workers=1, room=2)
    for key in "abcd":
        turns.add(key)
    running = asyncio.create_task(turns.run())
    await settled(turns)
    turns.add("d")
    await settled(turns)
    running.cancel()
    assert done == ["a", "b", "d"]
