"""Jobs beside the requests: bounded, one gateway at a time, tried again, and missed when they end."""

import asyncio

import pytest

from bugcommand_operator.gateway.background import Background, Job
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.store.errors import StoreUnavailable


class Work:
    """Has so many pieces to do; what it `raises` comes first."""

    def __init__(self, pieces: int, *raises: Exception) -> None:
        self.left, self.done, self.raises = pieces, 0, list(raises)

    async def __call__(self) -> bool:
        if self.raises:
            raise self.raises.pop(0)
        self.done += 1
        self.left -= 1
        return self.left > 0


def job(work: Work, **more: object) -> Job:
    values = {"first_seconds": 0.0, "pause_seconds": 0.0, **more}
    return Job("tidy", 0.0, work, Metrics(), **values)  # type: ignore[arg-type]


def result(of: Job, result: str) -> float:
    return of.metrics.registry.get_sample_value("mentu_store_job_runs_total", {"task": "tidy", "result": result}) or 0.0


async def test_a_run_does_all_there_is_and_no_more_than_its_bound() -> None:
    some, endless = Work(3), Work(10**9)

    await job(some).once()
    await job(endless, most_pieces=50).once()

    assert (some.done, endless.done) == (3, 50)


async def test_a_store_that_is_away_costs_one_run() -> None:
    work = Work(1, StoreUnavailable("away"))
    tidy = job(work)

    await tidy.once()
    assert (work.done, result(tidy, "failed")) == (0, 1)
    await tidy.once()
    assert (work.done, result(tidy, "done")) == (1, 1)


async def test_a_mistake_of_ours_ends_the_task_and_is_seen() -> None:
    background = Background([job(Work(1, ZeroDivisionError())).run])
    background.start()
    for _ in range(100):
        if not background.alive:
            break
        await asyncio.sleep(0.01)
    assert not background.alive
    await background.close()


async def test_the_end_does_not_wait_for_the_next_run() -> None:
    slow = job(Work(1), first_seconds=3600.0)
    background = Background([slow.run])
    background.start()
    await asyncio.sleep(0)
    assert background.alive
    async with asyncio.timeout(5):
        await background.close()


async def test_requests_get_their_turn_between_two_pieces() -> None:
    work, turns = Work(100), 0

    async def requests() -> None:
        nonlocal turns
        while work.left > 0:
            turns += 1
            await asyncio.sleep(0)

    await asyncio.gather(job(work).once(), requests())
    assert turns >= 50


@pytest.mark.parametrize("pieces", [1, 2])
async def test_runs_repeat(pieces: int) -> None:
    work = Work(pieces)
    background = Background([job(work).run])
    background.start()
    for _ in range(500):
        if work.done > 5:
            break
        await asyncio.sleep(0.002)
    await background.close()
    assert work.done > 5
