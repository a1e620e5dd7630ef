"""Reading a log page by page: no line lost, none doubled, whatever the pages are."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.fakes import COMMAND, START, Row, Tables, row

from bugcommand_operator.cli.lines import Line, Position, ProtocolError, Wanted
from bugcommand_operator.cli.reading import Log

EVERYTHING = Wanted()
SIZES = st.dictionaries(st.integers(1, 6), st.integers(1, 25), max_size=4)


def log_of(sizes: dict[int, int], page: int = 7, most: int = 1000) -> tuple[Log, Tables]:
    rows = [
        row(attempt, seq, stream="stderr" if seq % 3 == 0 else "stdout")
        for attempt, size in sizes.items()
        for seq in range(1, size + 1)
    ]
    tables = Tables({"spawn_logs": [row(9, 9, command_id="other"), *rows]}, most)
    return Log(tables, COMMAND, page), tables


def places(lines: list[Line]) -> list[tuple[int, int]]:
    return [(line.attempt, line.seq) for line in lines]


def expected(sizes: dict[int, int]) -> list[tuple[int, int]]:
    return [(attempt, seq) for attempt in sorted(sizes) for seq in range(1, sizes[attempt] + 1)]


@given(SIZES, st.integers(1, 9), st.integers(1, 9))
def test_each_line_comes_once_and_in_order_whatever_a_page_holds(sizes: dict[int, int], page: int, most: int) -> None:
    log, _ = log_of(sizes, page, most)

    assert log.ends() == sizes
    assert places(list(log.lines(log.ends(), EVERYTHING))) == expected(sizes)


@given(SIZES, st.integers(1, 9), st.integers(0, 60), st.sampled_from([None, "stdout", "stderr"]))
def test_the_tail_is_the_end_of_what_would_be_shown(
    sizes: dict[int, int], page: int, n: int, stream: str | None
) -> None:
    log, _ = log_of(sizes, page)
    wanted = Wanted(stream=stream, grep=re.compile("[02468]$"))

    whole = list(log.lines(log.ends(), wanted))
    assert log.last(log.ends(), wanted, n) == (whole[-n:] if n else [])


@given(SIZES, st.dictionaries(st.integers(1, 6), st.integers(0, 25)))
def test_after_a_position_comes_what_it_does_not_cover(sizes: dict[int, int], seen: dict[int, int]) -> None:
    log, _ = log_of(sizes)
    position = Position(dict(seen))
    new = [(attempt, seq) for attempt, seq in expected(sizes) if seq > seen.get(attempt, 0)]

    assert places(list(log.after(position))) == new
    assert list(log.after(position)) == []


def test_lines_that_come_meanwhile_are_left_to_whoever_follows() -> None:
    log, tables = log_of({1: 5}, page=2)
    lines = log.lines(log.ends(), EVERYTHING)
    first = next(lines)
    tables.tables["spawn_logs"] += [row(1, 6), row(2, 1)]

    assert places([first, *lines]) == expected({1: 5})


def test_a_tail_reads_no_more_than_it_shows() -> None:
    log, tables = log_of({1: 25}, page=5)
    ends = log.ends()
    tables.asked.clear()

    assert len(log.last(ends, EVERYTHING, 5)) == 5
    assert len(tables.asked) == 1


def test_filters_choose_lines() -> None:
    log, _ = log_of({1: 9, 2: 9})
    ends = log.ends()

    assert places(list(log.lines(ends, Wanted(attempt=2, stream="stderr")))) == [(2, 3), (2, 6), (2, 9)]
    since = START + timedelta(seconds=2008)
    assert places(list(log.lines(ends, Wanted(since=since)))) == [(2, 8), (2, 9)]
    assert places(list(log.lines(ends, Wanted(grep=re.compile("^line .:9$"))))) == [(1, 9), (2, 9)]


@pytest.mark.parametrize("wrong", [{}, {"attempt": "1"}, {"seq": True}, {"seq": 0}])
def test_rows_that_are_no_lines_end_it(wrong: Row) -> None:
    given_row = {**row(1, 1), **wrong} if wrong else {"attempt": 1}

    class Wrong:
        def rows(self, _table: str, _query: dict[str, str]) -> list[Row]:
            return [given_row]

    with pytest.raises(ProtocolError):
        Log(Wrong(), COMMAND).ends()


def test_a_gateway_that_sends_the_same_page_for_ever_is_left() -> None:
    class Stuck:
        def rows(self, _table: str, _query: dict[str, str]) -> list[Row]:
            return [row(1, 1)]

    log = Log(Stuck(), COMMAND)
    with pytest.raises(ProtocolError):
        log.ends()
    assert places(list(log.lines({1: 5}, EVERYTHING))) == [(1, 1)]
