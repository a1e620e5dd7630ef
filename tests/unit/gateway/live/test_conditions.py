"""Filters and bindings of subscriptions."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.live.fakes import START, batch_of

from bugcommand_operator.gateway.live.bindings import BadBinding, parse_bindings
from bugcommand_operator.gateway.live.conditions import BadFilter, all_hold, equal_to, parse_filter
from bugcommand_operator.gateway.live.line import lines_of

LINE = lines_of(batch_of([5]))[0]


def holds(text: str, record: dict[str, Any] | None = None) -> bool:
    value_of = record.get if record is not None else lambda name: getattr(LINE, name)
    return all_hold(parse_filter(text), value_of)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("seq=eq.5", True),
        ("seq=neq.5", False),
        ("seq=gt.4,seq=lt.6", True),
        ("seq=gte.5,seq=lte.4", False),
        ("seq=gt.10", False),  # as numbers, not as text
        ("seq=in.(1,5)", True),
        ("seq=not.in.(1,5)", False),
        ("seq=eq.five", False),
        ("message=eq.line 5", True),
        ("message=eq.a,b", False),
        ("stream=in.(stdout,stderr)", True),
        (f"ts=gt.{START.isoformat()}", True),
        ("ts=gt.2026-01-01T00:00:00", True),
        ("ts=lt.yesterday", False),
        ("", True),
    ],
)
def test_a_filter_compares_by_the_columns_type(text: str, result: bool) -> None:
    assert holds(text) is result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("error=is.null", True),
        ("error=not.is.null", False),
        ("error=neq.x", False),  # null is neither equal nor unequal
        ("done=is.true", True),
        ("done=eq.true", True),
        ("missing=eq.1", False),
    ],
)
def test_null_and_booleans_are_as_in_sql(text: str, result: bool) -> None:
    assert holds(text, {"error": None, "done": True}) is result


@pytest.mark.parametrize("op", ["eq", "neq", "lt", "gte", "not.eq", "in", "not.lt"])
def test_what_no_text_compares_with_holds_for_nothing(op: str) -> None:
    for value in ({"a": 1}, ["a"], b"a", object()):
        found = holds(f"payload={op}.(a)" if op == "in" else f"payload={op}.a", {"payload": value})
        assert found is False or not isinstance(value, dict | list)
    assert holds("payload=not.is.null", {"payload": {}})


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [(1.5, "1.25", "10"), (Decimal("2.5"), "2.4", "10"), (date(2026, 3, 4), "2026-03-03", "2026-10-01")],
)
def test_numbers_and_days_compare_as_such(value: Any, below: str, above: str) -> None:
    assert holds(f"it=gt.{below},it=lt.{above},it=eq.{value}", {"it": value})
    assert not holds("it=lt.many", {"it": value})


@pytest.mark.parametrize("text", ["seq", "seq=like.%", "seq=match.x", "SEQ=eq.1", "a=is.maybe", "x" * 5000, "=eq.1"])
def test_what_is_not_offered_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        parse_filter(text)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_refused_and_any_value_can_be_compared(text: str) -> None:
    holds(f"message=eq.{text}", {"message": text})
    try:
        holds(text, {})
    except BadFilter:
        return


@given(st.text(st.characters(exclude_characters=",", codec="utf-8"), max_size=30))
def test_a_value_may_hold_anything_but_what_begins_another_condition(value: str) -> None:
    assert equal_to(parse_filter(f"message=eq.{value},seq=eq.1"), "message") == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_join_payload_breaks_the_parser(value: Any) -> None:
    change = {"event": "*", "table": "spawn_logs", "schema": "public"}
    payloads: list[dict[str, Any]] = [{"config": value}, {"config": {"postgres_changes": value}}]
    payloads += [{"config": {"postgres_changes": [{**change, name: value}]}} for name in (*change, "filter", "select")]
    for payload in payloads:
        try:
            parse_bindings(payload, 1, 20)
        except BadBinding:
            continue


def test_a_binding_is_echoed_as_it_was_sent_with_an_id_of_its_own() -> None:
    changes = [
        {"event": "INSERT", "schema": "public", "table": "spawn_logs", "filter": "command_id=eq.x"},
        {"event": "*", "schema": "public", "table": "bridge_commands"},
    ]
    bindings = parse_bindings({"config": {"postgres_changes": changes}}, 7, 20)
    assert [dict(binding.echo) for binding in bindings] == [{"id": 7, **changes[0]}, {"id": 8, **changes[1]}]
    assert (bindings[0].command_id, bindings[1].command_id) == ("x", None)
