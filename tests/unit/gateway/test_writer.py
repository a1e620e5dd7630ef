"""How requests share commits, and what becomes of them when a commit fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.store.builders import KEY, batch

from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.refusals import Forbidden
from bugcommand_operator.gateway.writer import BatchWriter
from bugcommand_operator.store.errors import StoreError, StoreFull, StoreRejected, StoreUnavailable
from bugcommand_operator.store.lines import Appended, AttemptKey, LogBatch, Refusal


@dataclass
class Sink:
    """Records its commits, each of which waits for `go`. A batch of the machine `poison` is refused."""

    commits: list[list[int]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[Exception] = field(default_factory=list)
    foreign: frozenset[AttemptKey] = frozenset()

    async def append(self, batches: Sequence[LogBatch]) -> Appended:
        self.commits.append([line.seq for batch in batches for line in batch.lines])
        await self.go.wait()
        if self.failures:
            raise self.failures.pop(0)
        if any(batch.machine_id == "poison" for batch in batches):
            raise StoreRejected("refused")
        refused = {i: Refusal.ANOTHER_NAMESPACE for i, batch in enumerate(batches) if batch.key in self.foreign}
        accepted = tuple(batch for batch in batches if batch.key not in self.foreign)
        return Appended(sum(len(batch.lines) for batch in accepted), refused, accepted)


@asynccontextmanager
async def writing(sink: Sink, commit_lines: int = 5000) -> AsyncIterator[BatchWriter]:
    writer = BatchWriter(sink, Metrics(), commit_lines=commit_lines)
    writer.start()
    try:
        yield writer
    finally:
        sink.go.set()
        await writer.close()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def submit(writer: BatchWriter, *seqs: int, machine_id: str = "lab", key: AttemptKey = KEY) -> "asyncio.Task[None]":
    return asyncio.create_task(writer.submit(replace(batch(seqs, key), machine_id=machine_id)))


async def test_a_lone_line_is_written_at_once() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        submit(writer, 1)
        await turns()

        assert sink.commits == [[1]]


async def test_what_arrives_during_a_commit_shares_the_next_one() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        first = submit(writer, 1)
        await turns()
        others = [submit(writer, seq) for seq in (2, 3, 4)]
        await turns()
        assert sink.commits == [[1]]
        sink.go.set()
        await asyncio.gather(first, *others)

    assert sink.commits == [[1], [2, 3, 4]]


OTHERS = [replace(KEY, command_id=f"other-{number}") for number in range(3)]


@pytest.mark.looptime
async def test_between_commits_of_several_senders_there_is_a_moment_in_which_more_of_them_come() -> None:
    sink = Sink()
    sink.go.set()
    async with writing(sink) as writer:
        await submit(writer, 1)
        began = asyncio.get_running_loop().time()
        waiting = [submit(writer, 2, key=OTHERS[0])]
        await asyncio.sleep(0.004)
        waiting += [submit(writer, 3, key=OTHERS[1]), submit(writer, 4)]
        await asyncio.gather(*waiting)
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.01, abs=0.001)
        await submit(writer, 5)  # one of the several before
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.02, abs=0.002)

    assert sink.commits == [[1], [2, 3, 4], [5]]


@pytest.mark.looptime
async def test_nobody_waits_for_company_after_a_lone_sender_a_while_or_with_many_lines() -> None:
    sink = Sink()
    sink.go.set()
    async with writing(sink) as writer:
        await submit(writer, 1)
        began = asyncio.get_running_loop().time()
        await submit(writer, 2)
        await submit(writer, *range(3, 700), key=OTHERS[0])
        assert asyncio.get_running_loop().time() == pytest.approx(began, abs=0.001)
        await asyncio.sleep(0.011)
        began = asyncio.get_running_loop().time()
        await submit(writer, 700, key=OTHERS[1])
        assert asyncio.get_running_loop().time() == pytest.approx(began, abs=0.001)


async def test_nobody_is_answered_before_the_commit_of_their_lines() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        waiting = submit(writer, 1)
        await turns()
        assert not waiting.done()
        sink.go.set()
        await waiting


async def test_a_commit_takes_no_more_than_its_share_of_lines() -> None:
    sink = Sink()
    async with writing(sink, commit_lines=4) as writer:
        waiting = [submit(writer, 2 * number, 2 * number + 1) for number in range(5)]
        sink.go.set()
        await asyncio.gather(*waiting)

    assert [len(commit) for commit in sink.commits] == [4, 4, 2]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreFull("full")])
async def test_a_failed_commit_is_told_to_each_of_its_senders_and_the_next_goes_on(error: StoreError) -> None:
    sink = Sink(failures=[error])
    sink.go.set()
    async with writing(sink) as writer:
        answers = await asyncio.gather(submit(writer, 1), submit(writer, 2), return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(error)] * 2
        await submit(writer, 1)


async def test_values_that_the_store_refuses_cost_only_their_sender() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        submit(writer, 1)
        await turns()
        waiting = [submit(writer, 2), submit(writer, 3, machine_id="poison"), submit(writer, 4)]
        sink.go.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None), StoreRejected, type(None)]


async def test_lines_of_a_foreign_command_are_refused_beside_those_that_are_stored() -> None:
    foreign = replace(KEY, namespace="team-b")
    sink = Sink(foreign=frozenset([foreign]))
    sink.go.set()
    async with writing(sink) as writer:
        mine, theirs = submit(writer, 1), asyncio.create_task(writer.submit(batch([2], foreign)))
        await mine
        with pytest.raises(Forbidden):
            await theirs


async def test_the_end_waits_for_what_is_queued() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        waiting = [submit(writer, seq) for seq in (1, 2, 3)]
        await turns()
        closing = asyncio.create_task(writer.close())
        await turns()
        assert not closing.done()
        sink.go.set()
        await closing
        assert all(task.done() and task.exception() is None for task in waiting)
        writer._task = None


async def test_a_sender_that_has_gone_away_does_not_disturb_the_others() -> None:
    sink = Sink()
    async with writing(sink) as writer:
        gone, stays = submit(writer, 1), submit(writer, 2)
        await turns()
        gone.cancel()
        sink.go.set()
        await stays
        assert writer.alive


async def test_a_mistake_of_ours_ends_the_writer_and_leaves_nobody_waiting() -> None:
    sink = Sink(failures=[ZeroDivisionError()])
    writer = BatchWriter(sink, Metrics())
    writer.start()
    waiting = [submit(writer, 1)]
    await turns()
    waiting.append(submit(writer, 2))
    await turns()
    sink.go.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    assert not writer.alive
    with pytest.raises(StoreUnavailable):
        await writer.submit(batch([3]))
    with pytest.raises(ZeroDivisionError):
        await writer.close()
