"""What an append and a look at the log promise."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from tests.unit.store.builders import KEY, batch, line, open_store

from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.lines import AttemptKey, Progress, Refusal
from bugcommand_operator.store.spawn_logs import SpawnLogs

SECOND_ATTEMPT = replace(KEY, attempt=2)
SAME_ID_ELSEWHERE = replace(KEY, namespace="team-b")
OTHER = AttemptKey("team-b", "another-command", 1)


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[SpawnLogs]:
    async with open_store(store_url) as opened:
        yield opened


async def sequences(store: SpawnLogs, key: AttemptKey = KEY) -> list[int]:
    return [line.seq for line in await store.tail(key, 10_000)]


async def test_appending_the_same_batch_twice_stores_it_once(store: SpawnLogs) -> None:
    first = await store.append([batch([1, 2, 3])])
    second = await store.append([batch([1, 2, 3])])

    assert (first.new_lines, second.new_lines) == (3, 0)
    assert await sequences(store) == [1, 2, 3]
    assert (await store.progress([KEY.command_id]))[KEY] == Progress(lines=3, last_sequence=3)


async def test_the_first_write_of_a_line_wins(store: SpawnLogs) -> None:
    await store.append([batch([1], message="first")])
    await store.append([batch([1], message="second")])

    assert [line.message for line in await store.tail(KEY, 5)] == ["first"]


async def test_a_line_repeated_within_one_batch_is_stored_once_and_counted_once(store: SpawnLogs) -> None:
    done = await store.append([batch([2, 2, 1]), batch([2, 3])])

    assert done.new_lines == 3
    assert (await store.progress([KEY.command_id]))[KEY] == Progress(lines=3, last_sequence=3)


async def test_overlapping_batches_out_of_order_end_up_in_order(store: SpawnLogs) -> None:
    for seqs in ([7, 8, 9], [1, 2, 3], [3, 4, 5, 7], [6, 5]):
        await store.append([batch(seqs)])

    assert await sequences(store) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert (await store.progress([KEY.command_id]))[KEY] == Progress(lines=9, last_sequence=9)


async def test_progress_shows_that_earlier_lines_are_missing(store: SpawnLogs) -> None:
    await store.append([batch([1, 2, 10])])

    assert (await store.progress([KEY.command_id]))[KEY] == Progress(lines=3, last_sequence=10)


async def test_a_repetition_counts_only_its_own_attempt_again(store: SpawnLogs) -> None:
    await store.append([batch([1, 2]), batch(range(1, 6), SECOND_ATTEMPT), batch([4], OTHER)])
    await store.append([batch([2, 3]), batch([6], SECOND_ATTEMPT)])

    progress = await store.progress([KEY.command_id, OTHER.command_id, "unknown"])
    assert progress == {KEY: Progress(3, 3), SECOND_ATTEMPT: Progress(6, 6), OTHER: Progress(1, 4)}


async def test_the_tail_is_the_last_lines_oldest_first(store: SpawnLogs) -> None:
    await store.append([batch(range(1, 101))])

    assert [line.seq for line in await store.tail(KEY, 3)] == [98, 99, 100]
    assert await store.tail(SECOND_ATTEMPT, 3) == []


async def test_a_line_comes_back_as_it_was_sent(store: SpawnLogs) -> None:
    sent = line(1, "tab\t, NUL's neighbour \x01, ☃ and \U0001f600")._replace(stream="stderr")
    await store.append([replace(batch([]), lines=[sent])])

    assert await store.tail(KEY, 1) == [sent]


async def test_another_namespace_cannot_write_into_a_command_it_did_not_begin(store: SpawnLogs) -> None:
    await store.append([batch([1])])
    done = await store.append(
        [batch([2]), batch([3], SAME_ID_ELSEWHERE), batch([1], replace(SAME_ID_ELSEWHERE, attempt=2))]
    )

    assert done.refused == {1: Refusal.ANOTHER_NAMESPACE, 2: Refusal.ANOTHER_NAMESPACE}
    assert done.new_lines == 1
    assert await sequences(store) == [1, 2]


async def test_another_namespace_cannot_read_by_using_the_same_command_id(store: SpawnLogs) -> None:
    await store.append([batch([1, 2])])

    assert await store.tail(SAME_ID_ELSEWHERE, 10) == []
    assert SAME_ID_ELSEWHERE not in await store.progress([KEY.command_id])
    assert await store.read(KEY.command_id, namespace="team-b") == []


async def test_a_command_is_read_in_pages_over_all_its_attempts(store: SpawnLogs) -> None:
    await store.append([batch([1, 2, 3]), batch([1, 2], SECOND_ATTEMPT)])

    pages, after = [], (0, 0)
    for _ in range(4):
        rows = await store.read(KEY.command_id, after=after, limit=2)
        pages.append([(row.attempt, row.seq) for row in rows])
        after = pages[-1][-1] if rows else after
    assert pages == [[(1, 1), (1, 2)], [(1, 3), (2, 1)], [(2, 2)], []]
    row = (await store.read(KEY.command_id, attempt=2))[0]
    assert (row.epoch, row.machine_id, row.namespace, row.message) == (1, "lab", "team-a", "line 1")


async def test_progress_answers_for_more_commands_than_a_statement_takes_parameters(store: SpawnLogs) -> None:
    keys = [AttemptKey("team-a", f"command-{number}", 1) for number in range(3)]
    await store.append([batch([1], key) for key in keys])
    strangers = [f"stranger-{number}" for number in range(40_000)]

    assert set(await store.progress(strangers + [key.command_id for key in keys])) == set(keys)


async def test_a_reader_sees_each_commit_while_the_writer_goes_on(store: SpawnLogs, store_url: str) -> None:
    engine = open_reader(store_url)
    reader = SpawnLogs(engine)

    async def write() -> None:
        for start in range(1, 2001, 20):
            await store.append([batch(range(start, start + 20))])

    writing = asyncio.create_task(write())
    seen = []
    while not writing.done():
        lines = [line.seq for line in await reader.tail(KEY, 5000)]
        assert lines == list(range(1, len(lines) + 1)), "a commit was seen in part"
        assert len(lines) % 20 == 0, "a commit was seen in part"
        seen.append(len(lines))
    await writing
    assert seen == sorted(seen)
    assert len(await reader.tail(KEY, 5000)) == 2000
    await engine.dispose()
