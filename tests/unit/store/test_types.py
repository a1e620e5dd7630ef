"""Time as text sorts as time does, and is written the same whichever way it is written."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from bugcommand_operator.store.schema import spawn_logs
from bugcommand_operator.store.types import Timestamp, as_text, neighbours_as_text

zones = st.one_of(st.just(UTC), st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))))
moments = st.datetimes(datetime(1971, 1, 1), datetime(8999, 1, 1), timezones=zones)  # noqa: DTZ001 (hypothesis adds it)
near = st.builds(lambda moment, more: moment + timedelta(microseconds=more), moments, st.integers(0, 3_000_000))


@given(st.lists(st.one_of(moments, near), min_size=1))
def test_neighbours_are_written_as_each_is_alone(times: list[datetime]) -> None:
    text_of = neighbours_as_text()

    assert [text_of(moment) for moment in times] == [as_text(moment) for moment in times]


@given(st.lists(st.one_of(moments, near)))
def test_text_sorts_as_time_does_whatever_zone_it_came_in(times: list[datetime]) -> None:
    assert [as_text(moment) for moment in sorted(times)] == sorted(as_text(moment) for moment in times)
    assert all(Timestamp().process_result_value(as_text(moment), sqlite.dialect()) == moment for moment in times)


def test_time_is_a_timestamp_where_there_is_one_and_sortable_text_where_not() -> None:
    assert as_text(datetime(2026, 1, 1, 12, tzinfo=UTC)) == "2026-01-01T12:00:00.000000Z"
    on_postgres = CreateTable(spawn_logs).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert "ts TIMESTAMP WITH TIME ZONE" in str(on_postgres)
    assert "ts TEXT" in str(CreateTable(spawn_logs).compile(dialect=sqlite.dialect()))
