"""What a query string and its headers are understood as, and what is refused by name. No gateway, no store."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.gateway.rest.conditions import Compare, Junction
from bugcommand_operator.gateway.rest.errors import RestError
from bugcommand_operator.gateway.rest.query import Asked, Ordered, parse_query
from bugcommand_operator.gateway.rest.tables import BRIDGE_COMMANDS, SPAWN_LOGS, SPAWN_RECORDINGS

T = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def asked(query: str, **headers: str) -> Asked:
    return parse_query(SPAWN_LOGS, parse_qsl(query, keep_blank_values=True), headers)


def refusal(query: str, **headers: str) -> RestError:
    with pytest.raises(RestError) as refused:
        asked(query, **headers)
    return refused.value


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("command_id=eq.abc", Compare("command_id", "eq", "abc")),
        ("command_id=not.eq.abc", Compare("command_id", "eq", "abc", negated=True)),
        ("message=eq.a.b,c)(", Compare("message", "eq", "a.b,c)(")),
        ("message=eq.", Compare("message", "eq", "")),
        ("seq=gt.5", Compare("seq", "gt", 5)),
        ("seq=lte.-5", Compare("seq", "lte", -5)),
        ("seq=in.(1,2,3)", Compare("seq", "in", (1, 2, 3))),
        ("seq=in.()", Compare("seq", "in", ())),
        ('message=in.("a,b","\\"",c)', Compare("message", "in", ("a,b", '"', "c"))),
        ("message=like.*error*", Compare("message", "like", "%error%")),
        ("message=ilike.a%25", Compare("message", "ilike", "a%")),
        ("message=is.null", Compare("message", "is", None)),
        ("message=is.not_null", Compare("message", "is", None, negated=True)),
        ("ts=gte.2026-01-01T12:00:00.123456Z", Compare("ts", "gte", T)),
        ("ts=gte.2026-01-01T13:00:00.123456%2B01:00", Compare("ts", "gte", T)),
        ("ts=gte.2026-01-01T13:00:00.123456+01:00", Compare("ts", "gte", T)),
        ("ts=gte.2026-01-01T12:00:00.123456", Compare("ts", "gte", T)),
        (
            "or=(ts.gt.2026-01-01T12:00:00.123456Z,and(ts.eq.2026-01-01T12:00:00.123456Z,seq.gt.7))",
            Junction(
                "or",
                (
                    Compare("ts", "gt", T),
                    Junction("and", (Compare("ts", "eq", T), Compare("seq", "gt", 7))),
                ),
            ),
        ),
        (
            "not.and=(seq.in.(1,2),not.or(message.not.like.a*,stream.eq.stdout))",
            Junction(
                "and",
                (
                    Compare("seq", "in", (1, 2)),
                    Junction(
                        "or",
                        (Compare("message", "like", "a%", negated=True), Compare("stream", "eq", "stdout")),
                        negated=True,
                    ),
                ),
                negated=True,
            ),
        ),
        (
            'or=(message.eq."a,b)c",seq.eq.1)',
            Junction("or", (Compare("message", "eq", "a,b)c"), Compare("seq", "eq", 1))),
        ),
    ],
)
def test_a_filter_means_what_postgrest_makes_of_it(query: str, condition: object) -> None:
    assert asked(query).conditions == (condition,)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("nothing=eq.1", "42703"),
        ("or=(nothing.eq.1)", "42703"),
        ("select=nothing", "42703"),
        ("order=nothing", "42703"),
        ("seq=eq.many", "22P02"),
        ("seq=eq.99999999999999999999", "22P02"),
        ("ts=eq.yesterday", "22P02"),
        ("ts=gt.0001-01-01T00:00:00%2B14:00", "22P02"),
        ("ts=lt.9999-12-31T23:59:59-14:00", "22P02"),
        ("message=eq.%00", "22P02"),
        ("seq=like.1*", "42883"),
        ("ts=ilike.2026*", "42883"),
        ("message=is.true", "42883"),
        ("or=(seq.not.like.1*)", "42883"),
        ("seq=5", "PGRST100"),
        ("seq=eq", "PGRST100"),
        ("seq=fts.5", "PGRST100"),
        ("seq=in.1,2", "PGRST100"),
        ("seq=in.(1,2)x", "PGRST100"),
        ("message=is.maybe", "PGRST100"),
        ("or=seq.eq.1", "PGRST100"),
        ("or=(seq.eq.1", "PGRST100"),
        ("or=(seq.eq.1)x", "PGRST100"),
        ("or=()", "PGRST100"),
        ('or=(message.eq."a)', "PGRST100"),
        ("or=" + "(or" * 6 + "(seq.eq.1" + ")" * 7, "PGRST100"),
        ("or=(" + ",".join(["seq.eq.1"] * 101) + ")", "PGRST100"),
        ("and=(" + ",".join(["or(seq.eq.1,seq.eq.2)"] * 51) + ")", "PGRST100"),
        ("&".join(["seq=in.(" + ",".join(["1"] * 1000) + ")"] * 3), "PGRST100"),
        ("and=(" + ",".join(["seq.in.(" + ",".join(["1"] * 500) + ")"] * 5) + ")", "PGRST100"),
        ("select=message::text", "PGRST100"),
        ("select=spawn_log_owners(day)", "PGRST100"),
        ("order=seq.up", "PGRST100"),
        ("limit=some", "PGRST100"),
        ("limit=-1", "PGRST103"),
        ("offset=-1", "PGRST103"),
        ("offset=10000001", "PGRST103"),
    ],
)
def test_what_cannot_be_understood_is_refused(query: str, code: str) -> None:
    assert refusal(query).code == code


@pytest.mark.parametrize("query", ["payload=eq.1", "payload=in.(1)", "id=like.5f*", "timeout_seconds=is.false"])
def test_an_operator_that_a_column_does_not_have_is_refused(query: str) -> None:
    with pytest.raises(RestError) as refused:
        parse_query(BRIDGE_COMMANDS, parse_qsl(query), {})
    assert (refused.value.status, refused.value.code) == (400, "42883")


@pytest.mark.parametrize(
    ("query", "range_", "rows"),
    [
        ("", "", (1000, 0)),
        ("limit=10&offset=5", "", (10, 5)),
        ("limit=5000", "", (1000, 0)),
        ("", "0-24", (25, 0)),
        ("", "items=10-19", (10, 10)),
        ("", "10-", (1000, 10)),
        ("limit=5", "0-99", (5, 0)),
        ("offset=20&limit=100", "30-39", (10, 30)),
        ("limit=5", "10-19", (0, 10)),
        ("limit=0", "", (0, 0)),
    ],
)
def test_the_rows_are_those_that_both_the_query_and_the_range_ask_for(
    query: str, range_: str, rows: tuple[int, int]
) -> None:
    found = asked(query, **({"range": range_} if range_ else {}))
    assert (found.limit, found.offset) == rows


@pytest.mark.parametrize("range_", ["9-3", "a-b", "-5", "bytes=0-5"])
def test_a_range_that_is_none_is_416(range_: str) -> None:
    assert (refusal("", range=range_).status, refusal("", range=range_).code) == (416, "PGRST103")


def test_a_range_in_another_unit_is_not_ours() -> None:
    assert asked("", range="9-3", **{"range-unit": "bytes"}).limit == 1000


def test_columns_can_be_named_anew() -> None:
    selected = asked('select=ts,text:message,"seq"').select
    assert [(one.column, one.name) for one in selected] == [("ts", "ts"), ("message", "text"), ("seq", "seq")]
    assert len(asked("").select) == len(asked("select=*").select) == len(SPAWN_LOGS.columns)


def test_without_an_order_lines_come_as_they_were_written() -> None:
    assert asked("").order == (Ordered("attempt", False), Ordered("seq", False))
    assert asked("order=ts.desc").order == (Ordered("ts", True),)
    assert asked("order=ts.asc.nullslast,seq").order == (Ordered("ts", False), Ordered("seq", False))


def test_an_order_of_nulls_that_the_store_does_not_give_is_refused() -> None:
    with pytest.raises(RestError):
        parse_query(BRIDGE_COMMANDS, [("order", "claimed_at.asc.nullsfirst")], {})
    assert parse_query(BRIDGE_COMMANDS, [("order", "claimed_at.desc.nullsfirst")], {}).order[0].descending


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "array"),
        ("*/*", "array"),
        ("application/json", "array"),
        ("text/html, application/json;q=0.9", "array"),
        ("application/vnd.pgrst.object+json", "object"),
        ("application/vnd.pgrst.object+json;nulls=stripped", "object"),
        ("text/csv", "csv"),
    ],
)
def test_the_form_is_the_one_that_is_accepted(accept: str, form: str) -> None:
    assert asked("", accept=accept).accepted.form == form


def test_a_form_that_there_is_not_is_406() -> None:
    assert refusal("", accept="application/xml").status == 406


@pytest.mark.parametrize(
    ("prefer", "count"),
    [
        ("", None),
        ("return=representation", None),
        ("count=exact", "exact"),
        ("return=minimal,count=planned", "planned"),
    ],
)
def test_a_total_is_counted_when_it_is_preferred(prefer: str, count: str | None) -> None:
    assert asked("", prefer=prefer).count == count


def test_large_rows_come_in_small_pages() -> None:
    assert parse_query(SPAWN_RECORDINGS, [], {}).limit == 20


@given(st.text(alphabet='()",.\\andornotseqi1 %', max_size=60))
def test_no_text_breaks_the_grammar(text: str) -> None:
    for key in ("or", "and", "seq", "message", "select", "order"):
        try:
            parse_query(SPAWN_LOGS, [(key, text)], {})
        except RestError as error:
            assert error.status in (400, 416)
