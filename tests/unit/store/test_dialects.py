"""The same statements for Postgres: what SQLite's tests cannot show is read off the SQL."""

from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from bugcommand_operator.store.schema import Timestamp, as_text, spawn_log_owners, spawn_logs
from bugcommand_operator.store.statements import advance_progress, for_driver, insert_ignore

POSTGRES: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def sql_of(statement: object) -> str:
    return " ".join(str(statement.compile(dialect=POSTGRES)).split())  # type: ignore[attr-defined]


def test_a_line_that_exists_is_left_alone_in_postgres_too() -> None:
    assert sql_of(insert_ignore(POSTGRES, spawn_log_owners)).endswith("ON CONFLICT DO NOTHING")
    assert for_driver(POSTGRES, [])[0].endswith("ON CONFLICT DO NOTHING")


def test_counting_again_looks_at_the_row_in_hand_and_not_at_all_of_them() -> None:
    sql = sql_of(advance_progress(POSTGRES, count_again=True))

    assert "FROM spawn_logs WHERE" in sql
    assert "spawn_logs.command_id = spawn_log_progress.command_id" in sql


def test_time_is_a_timestamp_where_there_is_one_and_sortable_text_where_not() -> None:
    assert "ts TIMESTAMP WITH TIME ZONE" in str(CreateTable(spawn_logs).compile(dialect=POSTGRES))
    assert "ts TEXT" in str(CreateTable(spawn_logs).compile(dialect=sqlite.dialect()))


def test_text_sorts_as_time_does_whatever_zone_it_came_in() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    moments = [
        noon,
        (noon + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=-9))),
        noon + timedelta(seconds=1),
    ]

    texts = [as_text(moment) for moment in moments]
    assert texts == sorted(texts)
    assert texts[0] == "2026-01-01T12:00:00.000000Z"
    assert Timestamp().process_result_value(texts[1], sqlite.dialect()) == moments[1]
