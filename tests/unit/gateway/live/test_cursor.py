"""Cursors as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.gateway.live.cursor import parse_cursor, show_cursor


@given(st.dictionaries(st.integers(1, (1 << 31) - 1), st.integers(0, (1 << 63) - 1), max_size=20))
def test_a_cursor_survives_being_written_down(cursor: dict[int, int]) -> None:
    assert parse_cursor(show_cursor(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["1", "1:", ":1", "0:1", "1:-1", "a:b", "1:2;2:3", "٣:١", "1:2" * 4000, f"1:{1 << 63}"]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"attempt:seq|too"):
        parse_cursor(text)


def test_a_cursor_with_very_many_attempts_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        parse_cursor(",".join(f"{number}:1" for number in range(1, 300)))


def test_no_text_is_the_beginning() -> None:
    assert parse_cursor("") == {}
