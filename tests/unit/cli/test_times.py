"""What people write for times."""

from datetime import UTC, datetime, timedelta

import pytest

from bugcommand_operator.cli.since import moment, seconds

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "result"), [("10m", 600), ("1h30m", 5400), ("2s", 2), ("500ms", 0.5), ("1d", 86400), ("1.5", 1.5)]
)
def test_durations(text: str, result: float) -> None:
    assert seconds(text) == pytest.approx(result)


@pytest.mark.parametrize("text", ["", "m", "10 m", "-5s", "10x", "1h-3m", "nan", "inf", "1e9", "999999999d", "１m㎳"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text)


def test_a_duration_is_counted_back_from_now() -> None:
    assert moment("10m", NOW) == NOW - timedelta(minutes=10)


def test_a_timestamp_is_taken_in_its_own_zone_and_else_in_utc() -> None:
    assert moment("2026-01-01T12:00:00Z", NOW) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert moment("2026-01-01T12:00:00+02:00", NOW) == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert moment("2026-01-01", NOW) == datetime(2026, 1, 1, tzinfo=UTC)


def test_what_is_neither_is_refused_with_examples() -> None:
    with pytest.raises(ValueError, match=r"10m.*2026"):
        moment("yesterday", NOW)
