"""The store against a model: a dictionary in which the first write wins, whatever is sent again, in whatever order,
and wherever a crash falls: before a commit nothing is there, after it everything, and the sender knows neither.
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.postgres import PostgresServer
from tests.unit.store.builders import EPOCH, open_store, url_of

from bugcommand_operator.store import spawn_logs
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine, Progress
from bugcommand_operator.store.spawn_logs import SpawnLogs
from bugcommand_operator.store.tables import Tables, Transaction

T = TypeVar("T")
Crash = Literal["before", "after"] | None

keys = st.builds(AttemptKey, st.just("team-a"), st.sampled_from(["command-1", "command-2"]), st.integers(1, 2))
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
lines = st.builds(LogLine, st.integers(1, 12), st.sampled_from(["stdout", "stderr"]), st.just(EPOCH), texts)
batches = st.builds(LogBatch, keys, st.integers(0, 3), st.just("lab"), st.lists(lines, min_size=1, max_size=6))
crashes: st.SearchStrategy[Crash] = st.sampled_from([None, None, None, "before", "after"])
histories = st.lists(st.tuples(st.lists(batches, min_size=1, max_size=3), crashes), max_size=6)
History = list[tuple[list[LogBatch], Crash]]


class Crashing:
    """Tables whose commits fail as they are told to: just before, or just after."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.crash: Crash = None

    async def run(self, work: Callable[[Transaction], Coroutine[Any, Any, T]]) -> T:
        async def cut_before(transaction: Transaction) -> T:
            done = await work(transaction)
            if self.crash == "before":
                raise OSError("cut before the commit")
            return done

        done = await self._tables.run(cut_before)
        if self.crash == "after":
            raise OSError("cut after the commit")
        return done

    async def prepare(self, days: set[date]) -> None:
        await self._tables.prepare(days)

    def cut(self) -> None:
        self._tables.cut()

    async def close(self) -> None:
        await self._tables.close()


def model_of(model: dict[AttemptKey, dict[int, LogLine]], group: list[LogBatch]) -> int:
    new = 0
    for batch in group:
        stored = model.setdefault(batch.key, {})
        for line in batch.lines:
            new += line.seq not in stored
            stored.setdefault(line.seq, line)
    return new


async def play(store: SpawnLogs, history: History) -> dict[AttemptKey, dict[int, LogLine]]:
    tables = store._tables = Crashing(spawn_logs._tables_of(store._engine))  # type: ignore[assignment]
    model: dict[AttemptKey, dict[int, LogLine]] = {}
    for group, crash in history:
        tables.crash = crash
        if crash is None:
            done = await store.append(group)
            assert done.new_lines == model_of(model, group)
            sent = sum(len(batch.lines) for batch in group)
            assert done.new_lines + done.repeated == sent
            assert sum(len(batch.lines) for batch in done.accepted) == done.new_lines
        else:
            with pytest.raises(StoreUnavailable):
                await store.append(group)
            if crash == "after":
                model_of(model, group)
    return model


async def compare(url: str, history: History, limit: int) -> None:
    async with open_store(url) as store:
        model = await play(store, history)
        for key, stored in model.items():
            assert await store.tail(key, limit) == [stored[seq] for seq in sorted(stored)][-limit:]
        expected = {key: Progress(len(stored), max(stored)) for key, stored in model.items()}
        assert await store.progress(["command-1", "command-2"]) == expected


@contextmanager
def empty_database(kind: str, server: PostgresServer) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield url_of(Path(folder) / "logs.db")
        return
    name = server.new_database(template=server.migrated())
    yield server.url(name)
    server.drop_database(name)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories, limit=st.integers(1, 20))
def test_appends_and_tails_agree_with_the_model(
    kind: str, postgres_server: PostgresServer, history: History, limit: int
) -> None:
    with empty_database(kind, postgres_server) as url:
        asyncio.run(compare(url, history, limit))
