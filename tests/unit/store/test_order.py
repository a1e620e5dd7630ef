"""Lines that were sent before others were answered are never stored before those."""

from dataclasses import replace

import pytest
from tests.unit.store.builders import KEY, batch, open_store

from bugcommand_operator.store.lines import LogBatch, Refusal


def sent(*seqs: int, after: int = 0, attempt: int = 1) -> LogBatch:
    return replace(batch(seqs, replace(KEY, attempt=attempt)), after=after)


TOO_EARLY = Refusal.TOO_EARLY


@pytest.mark.parametrize(
    ("case", "stored", "together", "refused"),
    [
        ("the lines before it are stored", [sent(1, 2)], [sent(3, after=2)], {}),
        ("nothing of the attempt is stored", [], [sent(3, after=2)], {0: TOO_EARLY}),
        ("some of the lines before it are missing", [sent(1)], [sent(3, after=2)], {0: TOO_EARLY}),
        ("they come in the same commit, before it", [], [sent(1, 2), sent(3, after=2)], {}),
        ("they come in the same commit, but after it", [], [sent(3, after=2), sent(1, 2)], {0: TOO_EARLY}),
        (
            "what it waits for was refused itself",
            [],
            [sent(3, after=2), sent(5, after=3)],
            {0: TOO_EARLY, 1: TOO_EARLY},
        ),
        ("another attempt's lines do not count", [sent(1, 2)], [sent(3, after=2, attempt=2)], {0: TOO_EARLY}),
        ("a sender that waits for each answer may leave lines out", [sent(1)], [sent(5)], {}),
        ("it is a repetition", [sent(1, 2, 3)], [sent(3, after=2)], {}),
    ],
)
async def test_what_is_sent_after_lines(
    store_url: str, case: str, stored: list[LogBatch], together: list[LogBatch], refused: dict[int, Refusal]
) -> None:
    async with open_store(store_url) as store:
        if stored:
            await store.append(stored)
        before = {line.seq for key in (KEY, replace(KEY, attempt=2)) for line in await store.tail(key, 100)}
        assert (await store.append(together)).refused == refused, case
        taken = {line.seq for index, one in enumerate(together) if index not in refused for line in one.lines}
        after = {line.seq for key in (KEY, replace(KEY, attempt=2)) for line in await store.tail(key, 100)}
        assert after == before | taken, case


async def test_beyond_its_cap_an_attempt_takes_and_drops_what_is_sent_after_lines_too(store_url: str) -> None:
    async with open_store(store_url, cap=1) as store:
        await store.append([sent(1, 2)])
        done = await store.append([sent(5, after=4)])
        assert (done.refused, done.truncated) == ({}, 1)
