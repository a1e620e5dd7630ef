"""Pages that the database has written as JSON: the same rows as read one by one, in pieces, in one snapshot."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.unit.store.builders import KEY, batch, open_reading, open_store, url_of

from bugcommand_operator.gateway.rest.encoding import encode
from bugcommand_operator.store import pages as pages_module
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.errors import BadQuery, TooBroad
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine
from bugcommand_operator.store.pages import PageReader, Piece
from bugcommand_operator.store.queries import Group
from bugcommand_operator.store.reading import Filter, LogReader, Order, RowQuery, Scope
from bugcommand_operator.store.schema import spawn_logs

OTHER = AttemptKey("team-b", "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a13", 1)
ALL = [(column.name, column.name) for column in spawn_logs.columns]
NASTY = ['"', "\\", "\x1b[31m\x01\x7f", "é😀\u2028", "\t\n\r", "", "</script>", "\ufffd", "{}", "'; --", "%s %(x)s :x"]


def query(**more: Any) -> RowQuery:
    values = {"filters": (Filter("command_id", "eq", KEY.command_id),), "order": (Order("ts"), Order("seq")), **more}
    return RowQuery(**values)


def joined(pieces: list[Piece]) -> Any:
    return json.loads("[" + ",".join(piece.text for piece in pieces) + "]")


async def read(pages: PageReader, asked: RowQuery, names: list[tuple[str, str]] = ALL) -> list[Piece]:
    return [piece async for piece in pages.pieces(asked, names)]


@pytest.mark.parametrize("piece", [1 << 20, 100, 1])
async def test_pieces_hold_the_same_rows_as_reading_them_one_by_one(store_url: str, piece: int) -> None:
    lines = [LogLine(n + 1, "stdout", batch([n + 1]).lines[0].ts, text) for n, text in enumerate(NASTY * 9)]
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([LogBatch(KEY, 1, "lab", lines)])
        engine = open_reader(store_url)
        pages = PageReader(engine, reader, piece=piece)

        for asked in (query(), query(limit=7, offset=3), query(order=(Order("seq", descending=True),))):
            pieces = await read(pages, asked)
            assert joined(pieces) == json.loads(encode(await reader.rows(asked)))
            assert pieces[0].whole == sum(one.rows for one in pieces)
        await engine.dispose()
    assert (len(pieces) > 1) == (piece < 1000)


async def test_columns_get_the_names_that_were_asked_for(store_url: str) -> None:
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch([1])])
        engine = open_reader(store_url)
        asked = query(columns=("seq", "message"))
        found = joined(await read(PageReader(engine, reader), asked, [("message", 'the "50 %(s)s"'), ("seq", "seq")]))
        await engine.dispose()
    assert found == [{'the "50 %(s)s"': "line 1", "seq": 1}]


async def test_a_name_may_be_one_that_the_statement_has_for_itself(store_url: str) -> None:
    names = ["shown", "sized", "page", "before_", "rows"]
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch(range(1, 21))])
        engine = open_reader(store_url)
        pages = PageReader(engine, reader, piece=50)
        for name in names:
            found = joined(await read(pages, query(), [("message", name)]))
            assert found == [{name: f"line {n}"} for n in range(1, 21)]
        await engine.dispose()


async def test_columns_that_the_question_itself_gives_are_shown_like_any_other(store_url: str) -> None:
    lines = [LogLine(n, "stdout", batch([n]).lines[0].ts, '\n"é\\\x01') for n in (1, 2)]
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([LogBatch(KEY, 1, "lab", lines)])
        engine = open_reader(store_url)
        asked = query(filters=(*query().filters, Filter("message", "eq", lines[0].message)))
        pages = PageReader(engine, reader)
        given = joined(await read(pages, asked, [("command_id", "id"), ("message", "m")]))
        mixed = joined(await read(pages, asked, [("command_id", "id"), ("seq", "seq"), ("message", "m")]))
        await engine.dispose()
    assert given == [{"id": KEY.command_id, "m": lines[0].message}] * 2
    assert mixed == [{"id": KEY.command_id, "seq": n, "m": lines[0].message} for n in (1, 2)]


@pytest.mark.parametrize(
    ("what", "size", "named", "given"),
    [
        ("a long text that the question itself gives is no shorter", 5000, ["message"], True),
        ("a text that is shown four times is four times as long", 1500, ["message", "m", "and", "again"], False),
    ],
)
async def test_a_piece_is_bounded_whatever_is_asked_for(
    store_url: str, what: str, size: int, named: list[str], given: bool
) -> None:
    given_too = (Filter("message", "eq", "x" * size),) if given else ()
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch(range(1, 11), message="x" * size)])
        engine = open_reader(store_url)
        asked = query(filters=(*query().filters, *given_too), limit=10)
        names = [("seq", "seq"), *(("message", name) for name in named)]
        pieces = await read(PageReader(engine, reader, piece=10_000), asked, names)
        await engine.dispose()
    assert max(len(piece.text) for piece in pieces) < 20_000, what
    assert [row["seq"] for row in joined(pieces)] == list(range(1, 11))


async def test_a_page_shows_what_was_asked_for_and_not_what_another_question_of_its_shape_did(store_url: str) -> None:
    ours = Filter("command_id", "eq", KEY.command_id)
    later, first_or = Filter("ts", "gte", batch([3]).lines[0].ts), Filter("seq", "eq", 1)
    questions = [
        query(limit=3),
        query(limit=2, offset=4),
        *(query(filters=(ours, Filter("seq", "gt", seq))) for seq in (2, 7, 1 << 70)),
        *(query(filters=(ours, Filter("seq", "in", some))) for some in ((1, 2), (4, 5), (6,), ())),
        *(query(filters=(ours, Filter("seq", "eq", seq))) for seq in (3, 99, 1 << 70)),
        query(filters=(ours, Filter("seq", "eq", 3), Filter("seq", "eq", 4))),
        query(filters=(ours, Filter("seq", "eq", 3, negated=True))),
        *(query(filters=(ours, Filter("message", "eq", text))) for text in ("line 4", "line 5")),
        query(filters=(ours, Filter("ts", "eq", batch([6]).lines[0].ts))),
        *(query(filters=(ours, Filter("message", "like", f"%{n}", negated=n > 5))) for n in (1, 8)),
        *(query(filters=(ours, Filter("stream", "is", None, negated=negated))) for negated in (False, True)),
        *(query(filters=(ours, Group((later, first_or), any=any_))) for any_ in (False, True)),
        *(query(filters=(ours, Group((ours, later), negated=negated))) for negated in (False, True)),
        *(query(filters=(), scope=Scope(frozenset(names))) for names in (["team-a"], ["team-b"], ["team-a", "x"])),
        *(query(scope=Scope(frozenset({"team-a"}), frozenset({name}))) for name in ("", "other")),
        *(query(filters=(Filter("command_id", "in", (KEY.command_id, name)),)) for name in ("x", OTHER.command_id)),
    ]
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch(range(1, 10)), batch([1, 2], OTHER)])
        engine = open_reader(store_url)
        pages = PageReader(engine, reader)
        for asked in (*questions, *questions):
            assert joined(await read(pages, asked)) == json.loads(encode(await reader.rows(asked))), asked
        await engine.dispose()


@pytest.mark.parametrize("limit", [0, 10])
async def test_a_question_that_makes_no_sense_is_refused_each_time(store_url: str, limit: int) -> None:
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch([1])])
        engine = open_reader(store_url)
        pages = PageReader(engine, reader)
        for wrong in (Filter("seq", "like", "1"), Filter("seq", "eq", "x"), Filter("nothing", "eq", 1)):
            for _ in range(2):
                with pytest.raises(BadQuery):
                    await read(pages, query(filters=(*query().filters, wrong), limit=limit))
        await engine.dispose()


@pytest.mark.parametrize(
    "asked", [query(limit=0), query(offset=100), query(filters=(Filter("command_id", "eq", "x"),))]
)
async def test_no_rows_are_one_empty_piece(store_url: str, asked: RowQuery) -> None:
    async with open_store(store_url) as store, open_reading(store_url) as reader:
        await store.append([batch([1, 2])])
        engine = open_reader(store_url)
        assert await read(PageReader(engine, reader), asked) == [Piece(0, 0, "")]
        await engine.dispose()


async def test_lines_that_come_meanwhile_do_not_move_those_of_the_page(store_url: str) -> None:
    newest_first = query(order=(Order("seq", descending=True),))
    async with open_store(store_url) as store:
        await store.append([batch(range(1, 101))])
        engine = open_reader(store_url)
        reader = LogReader(engine)  # its questions of one statement have been on the same connection
        found: list[Piece] = []
        async with aclosing(PageReader(engine, reader, piece=100).pieces(newest_first, ALL)) as pieces:
            async for piece in pieces:
                found.append(piece)
                first = 101 + 10 * len(found)
                await store.append([batch(range(first, first + 10))])
        await engine.dispose()
    assert len(found) > 3
    assert [row["seq"] for row in joined(found)] == list(range(100, 0, -1))


async def test_who_stops_reading_gives_the_connection_back(store_url: str) -> None:
    async with open_store(store_url) as store:
        await store.append([batch(range(1, 101))])
        engine = open_reader(store_url)
        pages = PageReader(engine, LogReader(engine), piece=100)
        for _ in range(30):  # more than a pool holds
            async with aclosing(pages.pieces(query(), ALL)) as pieces:
                await anext(pieces)
        await engine.dispose()


async def test_the_time_limit_is_for_a_piece_and_not_for_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = url_of(tmp_path / "logs.db"), query(order=(Order("seq"),))
    slow = False
    build = pages_module._sqlite

    def sometimes_slow(page: Any, names: Any, most: int) -> Any:
        endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*), 0, '' FROM n")
        return endless if slow else build(page, names, most)

    monkeypatch.setattr(pages_module, "_sqlite", sometimes_slow)
    async with open_store(url) as store:
        await store.append([batch(range(1, 5))])
        engine = open_reader(url)
        pages = PageReader(engine, LogReader(engine), time_limit=0.2, piece=1)
        found: list[Piece] = []
        async for piece in pages.pieces(asked, ALL):
            found.append(piece)
            await asyncio.sleep(0.3)  # the reader's own time
        assert [row["seq"] for row in joined(found)] == [1, 2, 3, 4]

        with pytest.raises(TooBroad):
            async with asyncio.timeout(5), aclosing(pages.pieces(asked, ALL)) as pieces:
                await anext(pieces)
                await asyncio.sleep(0.3)
                slow = True
                await anext(pieces)
        await engine.dispose()
