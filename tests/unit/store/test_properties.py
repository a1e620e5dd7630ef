"""The store against a model: a dictionary in which the first write wins."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.store.builders import EPOCH, open_store

from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine, Progress

keys = st.builds(AttemptKey, st.just("team-a"), st.sampled_from(["command-1", "command-2"]), st.integers(1, 2))
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
lines = st.builds(LogLine, st.integers(1, 12), st.sampled_from(["stdout", "stderr"]), st.just(EPOCH), texts)
batches = st.builds(LogBatch, keys, st.integers(0, 3), st.just("lab"), st.lists(lines, min_size=1, max_size=6))
appends = st.lists(st.lists(batches, min_size=1, max_size=3), max_size=6)


async def compare(history: list[list[LogBatch]], limit: int, folder: Path) -> None:
    model: dict[AttemptKey, dict[int, LogLine]] = {}
    async with open_store(folder / "logs.db") as store:
        for group in history:
            before = sum(len(stored) for stored in model.values())
            for batch in group:
                for line in batch.lines:
                    model.setdefault(batch.key, {}).setdefault(line.seq, line)
            done = await store.append(group)
            assert done.new_lines == sum(len(stored) for stored in model.values()) - before
        for key, stored in model.items():
            assert await store.tail(key, limit) == [stored[seq] for seq in sorted(stored)][-limit:]
        expected = {key: Progress(len(stored), max(stored)) for key, stored in model.items()}
        assert await store.progress(["command-1", "command-2"]) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(appends, st.integers(1, 20))
def test_appends_and_tails_agree_with_the_model(history: list[list[LogBatch]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(history, limit, Path(folder)))
