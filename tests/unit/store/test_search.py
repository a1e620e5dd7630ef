"""Finding lines by their words, the same in both databases, and how the index follows the lines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.support.postgres import PostgresServer
from tests.unit.store.builders import EPOCH, KEY, batch, line, open_reading, open_store

from bugcommand_operator.store import indexing, words
from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.errors import BadQuery
from bugcommand_operator.store.indexing import index_once
from bugcommand_operator.store.lines import AttemptKey, LogBatch
from bugcommand_operator.store.reading import LogReader
from bugcommand_operator.store.spawn_logs import SpawnLogs

SECOND = replace(KEY, attempt=2)
OTHER = AttemptKey("team-b", "another-command", 1)


@dataclass
class Store:
    logs: SpawnLogs
    reader: LogReader

    async def index(self) -> int:
        """Until there is no more to do."""
        written = 0
        for _ in range(1000):
            now = await index_once(self.logs._engine, 64)
            written += now
            if not now:
                return written
        raise AssertionError("the index is never done")

    async def find(self, asked: str, **scope: object) -> list[tuple[int, int]]:
        rows = await self.reader.search("team-a", asked, **scope)  # type: ignore[arg-type]
        return [(row.attempt, row.seq) for row in rows]

    async def sql(self, statement: str) -> list[tuple[object, ...]]:
        async with self.logs._engine.begin() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with open_store(store_url) as logs, open_reading(store_url) as reader:
        yield Store(logs, reader)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_PATIENCE", timedelta(0))


def said(messages: dict[int, str], key: AttemptKey = KEY) -> LogBatch:
    return replace(batch([], key), lines=[line(seq, message) for seq, message in messages.items()])


async def test_lines_that_hold_all_the_words_are_found_newest_first(store: Store) -> None:
    await store.logs.append([said({1: "Tests failed: 3", 2: "tests passed", 3: "failed", 4: "[TESTS] 3 have failed!"})])
    await store.index()

    assert await store.find("tests FAILED") == [(1, 4), (1, 1)]
    assert await store.find("failed, 3; tests?") == [(1, 4), (1, 1)]
    assert await store.find("test") == []
    assert await store.find("tests failed", limit=1) == [(1, 4)]


@pytest.mark.parametrize(
    ("message", "asked", "found"),
    [
        ("src/app_main.py:12: TypeError", "app main py 12", True),
        ("src/app_main.py:12: TypeError", "app_main.py", True),
        ("│ Größe GRÖSSE │", "größe", True),
        ("a\x1b[31mred\x1b[0m", "31mred", True),
        ("naïve café", "naive", False),
        ("deadbeef" * 20, "deadbeef" * 8, True),
        ("deadbeef" * 20, "deadbeef" * 20, True),
        ("日本語、テスト", "テスト", True),
        ("x " * 997 + "last beyond", "last", True),
        ("x " * 997 + "last beyond", "beyond", False),
        ("0x1f 1e5 3.14 v1.2.3-rc1", "0x1f 1e5 14 rc1", True),
        ("it's \"quoted\" \\ and: 'so'", "it s quoted so", True),
        ("NEAR AND OR NOT", "near and or not", True),
    ],
)
async def test_a_word_is_a_run_of_letters_and_digits(store: Store, message: str, asked: str, found: bool) -> None:
    await store.logs.append([said({1: message})])
    await store.index()

    assert await store.find(asked) == ([(1, 1)] if found else [])


async def test_a_search_stays_within_its_namespace_repository_and_command(store: Store) -> None:
    mine = replace(said({1: "needle"}), repository="shop")
    elsewhere = replace(said({1: "needle"}, OTHER), repository="shop")
    same = replace(said({1: "needle"}, AttemptKey("team-a", "third", 1)), repository="bank")
    await store.logs.append([mine, elsewhere, same])
    await store.index()

    async def found(**scope: object) -> set[str]:
        rows = await store.reader.search("team-a", "needle", **scope)  # type: ignore[arg-type]
        return {row.command_id for row in rows}

    assert await found() == {KEY.command_id, "third"}
    assert await found(repository="shop") == {KEY.command_id}
    assert await found(command_id="third") == {"third"}
    assert await found(command_id="third", repository="shop") == set()
    assert await found(command_id=OTHER.command_id) == set()
    assert await found(repository="none") == set()


async def test_what_marks_a_tenants_chunks_is_no_word_of_theirs(store: Store) -> None:
    theirs = words.scope_words("team-b", "", "")[0]
    await store.logs.append([said({1: f"needle {theirs}"}), said({1: "needle"}, OTHER)])
    await store.index()

    assert [row.namespace for row in await store.reader.search("team-b", "needle")] == ["team-b"]
    assert [row.namespace for row in await store.reader.search("team-a", "needle")] == ["team-a"]


async def test_older_lines_than_asked_for_are_left_out(store: Store) -> None:
    await store.logs.append([said({1: "needle", 2: "needle", 3: "needle"})])
    await store.index()

    assert await store.find("needle", since=EPOCH + timedelta(microseconds=2)) == [(1, 3), (1, 2)]


@pytest.mark.parametrize("asked", ["", " .,;", " ".join(f"w{n}" for n in range(17))])
async def test_a_search_needs_words_but_not_too_many(store: Store, asked: str) -> None:
    with pytest.raises(BadQuery):
        await store.find(asked)


async def test_chunks_hold_sixty_four_lines_each(store: Store) -> None:
    await store.logs.append([batch(range(1, 131))])
    await store.index()

    chunks = await store.sql("SELECT first_seq, last_seq FROM spawn_log_chunks ORDER BY first_seq")
    assert chunks == [(1, 64), (65, 128), (129, 130)]


@pytest.mark.usefixtures("impatient")
async def test_a_chunk_that_was_not_full_is_written_anew_and_found_once(store: Store) -> None:
    for seq in range(1, 71):
        await store.logs.append([said({seq: f"needle word{seq}"})])
        await store.index()

    assert await store.find("needle", limit=1000) == [(1, seq) for seq in range(70, 0, -1)]
    assert await store.find("word63") == [(1, 63)]
    chunks = await store.sql("SELECT first_seq, last_seq FROM spawn_log_chunks ORDER BY first_seq")
    assert chunks == [(1, 64), (65, 70)]


@pytest.mark.usefixtures("impatient")
async def test_lines_after_a_gap_are_indexed_when_the_gap_is_filled(store: Store) -> None:
    await store.logs.append([batch([1, 2, *range(5, 200)], message="needle")])
    await store.index()
    assert await store.find("needle", limit=1000) == [(1, 2), (1, 1)]
    assert await store.index() == 0, "a gap is not looked at again and again"

    await store.logs.append([batch([3, 4], message="needle")])
    await store.index()
    assert await store.find("needle", limit=1000) == [(1, seq) for seq in range(199, 0, -1)]


@pytest.mark.parametrize("before", [0, 10, 64])
async def test_a_gap_with_many_lines_after_it_is_done_with_until_there_are_more(store: Store, before: int) -> None:
    await store.logs.append([batch([*range(1, before + 1), *range(before + 2, before + 1300)], message="needle")])
    assert await index_once(store.logs._engine) == min(before, 1)
    assert await index_once(store.logs._engine) == 0

    await store.logs.append([batch([*range(before + 1300, before + 1400)], message="needle")])
    assert await index_once(store.logs._engine) == 0, "what is indexed is not written anew"


async def test_attempts_with_gaps_do_not_stand_in_the_way_of_others(store: Store) -> None:
    gaps = [AttemptKey("team-a", f"gap-{number}", 1) for number in range(8)]
    await store.logs.append([batch(range(2, 1100), key) for key in gaps])
    await store.logs.append([batch(range(1, 65), message="needle")])

    assert [await index_once(store.logs._engine, 8) for _ in range(2)] == [0, 1]
    assert len(await store.find("needle", limit=100)) == 64


async def test_a_few_lines_more_wait_for_company(store: Store) -> None:
    await store.logs.append([batch(range(1, 11))])
    assert await store.index() == 1
    await store.logs.append([batch(range(11, 21))])
    assert await store.index() == 0
    await store.logs.append([batch(range(21, 75))])
    assert await store.index() == 2


async def test_the_work_of_one_go_is_bounded_and_the_next_goes_on(store: Store) -> None:
    await store.logs.append([batch(range(1, 64 * 40 + 1), message="needle"), batch(range(1, 65), SECOND)])

    steps = [await index_once(store.logs._engine, 8) for _ in range(10)]
    assert sum(steps) == 41
    assert max(steps) <= 8
    assert await store.index() == 0


async def test_several_gateways_index_each_chunk_once(postgres_url: str) -> None:
    async with open_store(postgres_url) as logs, open_reading(postgres_url) as reader:
        keys = [AttemptKey("team-a", f"command-{number}", 1) for number in range(6)]
        await logs.append([batch(range(1, 64 * 5 + 1), key, "needle") for key in keys])
        engines = [open_writer(postgres_url, synchronous="NORMAL") for _ in range(4)]

        async def run(index: int) -> int:
            return sum([await index_once(engines[index], 4) for _ in range(20)])

        written = await asyncio.gather(*(run(index) for index in range(4)))
        for engine in engines:
            await engine.dispose()
        assert sum(written) == 30
        assert len(await reader.search("team-a", "needle", limit=10_000)) == 6 * 64 * 5


async def test_the_longest_lines_of_the_strangest_letters_can_be_indexed(store: Store) -> None:
    strange = "".join(chr(0x10300 + n % 20) + chr(0x4E00 + n % 3000) + " " for n in range(700))
    await store.logs.append([batch(range(1, 65), message=strange), said({1: "x" * 65536}, SECOND)])
    await store.index()

    assert len(await store.find("\U00010300一", limit=100)) == 64


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


@given(texts)
def test_both_databases_and_the_program_agree_on_words(postgres_server: PostgresServer, message: str) -> None:
    if "mentu_words" not in _made:
        for statement in (words.postgres_function(with_icu=True),):
            postgres_server.execute(statement)
        _made.add("mentu_words")
    import psycopg

    with psycopg.connect(postgres_server.url(driver="postgresql")) as connection:
        found = connection.execute("SELECT mentu_words(%s)", (message,)).fetchone()
    assert found is not None
    assert set(found[0]) == words.words_of(message)


ascii_texts = st.text(st.characters(max_codepoint=127), max_size=200)


@given(st.lists(ascii_texts, max_size=5), ascii_texts)
def test_the_words_of_lines_are_those_of_each_whatever_letters_the_others_have(some: list[str], other: str) -> None:
    each = [words.words_of(text) for text in some]
    assert words.words_of_all(some) == set().union(*each)
    assert words.words_of_all([*some, f"{other} é"]) == set().union(*each, words.words_of(other), {"é"})


_made: set[str] = set()
