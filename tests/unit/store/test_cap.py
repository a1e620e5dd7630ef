"""An attempt's log has an end, which says so; nothing vanishes without being counted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.builders import EPOCH, KEY, batch, line, open_store

from bugcommand_operator.store.lines import TRUNCATED, LogBatch, LogLine, Progress
from bugcommand_operator.store.placing import ROW_BYTES, Owned, Reached, in_question, place, size_of
from bugcommand_operator.store.spawn_logs import SpawnLogs

TEN = 10 * (ROW_BYTES + 10)
"""Room for ten lines of ten characters."""


def said(*seqs: int) -> LogBatch:
    return batch(seqs, message="x" * 10)


async def messages(store: SpawnLogs) -> list[tuple[int, str, str]]:
    return [(one.seq, one.stream, one.message) for one in await store.tail(KEY, 100)]


async def test_the_line_that_finds_no_room_is_where_the_log_says_so(store_url: str) -> None:
    async with open_store(store_url, cap=TEN) as store:
        await store.append([said(*range(1, 9))])
        done = await store.append([said(*range(9, 15))])

        assert (done.new_lines, done.truncated, done.repeated) == (3, 4, 0)
        assert (await messages(store))[-3:] == [
            (9, "stdout", "x" * 10), (10, "stdout", "x" * 10), (11, "stderr", TRUNCATED),
        ]  # fmt: skip
        assert [(one.seq, one.message) for one in done.accepted[0].lines][-1] == (11, TRUNCATED)
        assert (await store.progress([KEY.command_id]))[KEY] == Progress(11, 11, truncated=True)


async def test_sending_again_changes_nothing_and_what_is_dropped_is_counted(store_url: str) -> None:
    async with open_store(store_url, cap=TEN) as store:
        await store.append([said(*range(1, 21))])
        before = await messages(store)
        for sent, truncated, repeated in ((range(1, 21), 9, 11), (range(11, 13), 1, 1), (range(21, 31), 10, 0)):
            done = await store.append([said(*sent)])
            assert (done.new_lines, done.truncated, done.repeated) == (0, truncated, repeated)
            assert done.accepted == ()

        assert await messages(store) == before
        assert len([one for one in before if one[2] == TRUNCATED]) == 1


async def test_empty_lines_fill_a_log_too(store_url: str) -> None:
    async with open_store(store_url, cap=TEN) as store:
        done = await store.append([batch(range(1, 101), message="")])

        assert done.truncated == 100 - TEN // ROW_BYTES
        assert (await messages(store))[-1][2] == TRUNCATED


async def test_the_cap_is_one_attempts_and_not_its_neighbours(store_url: str) -> None:
    async with open_store(store_url, cap=TEN) as store:
        done = await store.append([said(*range(1, 21)), replace(said(1, 2), key=replace(KEY, attempt=2))])

        assert (done.new_lines, done.truncated) == (13, 10)


async def test_no_cap_keeps_everything(store_url: str) -> None:
    async with open_store(store_url, cap=0) as store:
        assert (await store.append([batch(range(1, 201), message="x" * 60_000)])).truncated == 0


async def test_two_gateways_put_one_end_to_a_log(postgres_url: str) -> None:
    async with open_store(postgres_url, cap=TEN) as one, open_store(postgres_url, cap=TEN) as two:
        for start in range(1, 40, 4):
            await one.append([said(start, start + 1)])
            await two.append([said(start + 2, start + 3), said(start)])

        found = await messages(one)
        assert [seq for seq, _, text in found if text == TRUNCATED] == [11]
        assert len(found) == 11


OWNER = Owned("team-a", "", "", EPOCH.date(), False)
lines = st.lists(st.tuples(st.integers(1, 30), st.text(max_size=30)), min_size=1, max_size=12)


@given(st.lists(lines, max_size=8), st.integers(1, 3000))
def test_a_log_is_never_larger_than_its_cap_and_each_line_is_accounted_for(
    sendings: list[list[tuple[int, str]]], cap: int
) -> None:
    reached, stored = Reached(OWNER), dict[int, LogLine]()
    for sent in sendings:
        one = replace(batch([]), lines=[line(seq, text) for seq, text in sent])
        asked = in_question(reached, [one])
        known = {seq for seq in asked if seq in stored} if asked else None
        placed = place((KEY.command_id, 1), reached, [one], known, cap)
        assert len(placed.lines) + placed.repeated + placed.truncated in (len(sent), len(sent) + 1)
        for _, new in placed.lines:
            assert new.seq not in stored
            stored[new.seq] = new
        reached = placed.reached
        kept = [new for new in stored.values() if new.message != TRUNCATED]
        assert sum(size_of(new) for new in kept) <= cap
        assert (reached.lines, reached.last_seq) == (len(stored), max(stored, default=0))
        assert reached.bytes == sum(size_of(new) for new in stored.values())
        assert (reached.truncated_at is not None) == (len(kept) < len(stored))


@pytest.mark.parametrize("text", ["", "abc", "größe", "\U0001f600"])
def test_a_lines_size_is_what_its_bytes_take(text: str) -> None:
    assert size_of(line(1, text)) == ROW_BYTES + len(text.encode())
