"""The end of a log as a status carries it: bounded in lines and bytes, whole characters, nothing that steers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.tail import MAX_BYTES, MAX_LINE_BYTES, tail_of
from bugcommand_operator.core.text import clean, shortened, stored_bytes


@dataclass(frozen=True)
class Line:
    message: str
    stream: str = "stdout"


def as_stored(text: str) -> int:
    """What Go's encoder makes of it."""
    plain = len(json.dumps(text, ensure_ascii=False).encode()) - 2
    return plain + 5 * sum(text.count(c) for c in "<>&") + 3 * sum(text.count(c) for c in "\u2028\u2029")


def test_the_newest_fifty_lines_are_kept_in_order() -> None:
    assert tail_of([Line(str(n)) for n in range(120)]) == [str(n) for n in range(70, 120)]


def test_lines_of_stderr_say_so() -> None:
    assert tail_of([Line("fine"), Line("oops", "stderr")]) == ["fine", "stderr: oops"]


def test_older_lines_give_way_when_the_bytes_run_out() -> None:
    lines = [Line(f"{n:02d}" + "x" * 998) for n in range(50)]
    kept = tail_of(lines)

    assert kept == [line.message for line in lines[-16:]]


@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
@pytest.mark.parametrize("extra", range(4))
def test_a_long_line_is_cut_between_characters(character: str, extra: int) -> None:
    (kept,) = tail_of([Line("x" * extra + character * 2000)])

    assert MAX_LINE_BYTES - 4 <= len(kept.encode()) <= MAX_LINE_BYTES
    assert kept.rstrip("…").strip("x" + character) == ""
    assert kept.endswith("…")


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    assert tail_of([Line("é" * 512)]) == ["é" * 512]


def test_nothing_in_a_line_steers_a_terminal() -> None:
    (kept,) = tail_of([Line("a\x1b]52;c;aGk=\x07b\rc\x00d\u202ee\ud800f\tg")])

    assert set(kept) & set("\x1b\x07\r\x00\u202e\ud800") == set()
    assert kept.endswith("\tg")


def test_no_lines_are_no_tail() -> None:
    assert tail_of([]) == []


@given(st.lists(st.builds(Line, st.text(max_size=1500) | st.sampled_from(["<" * 3000, '"' * 900, "\u2028" * 700]))))
def test_a_tail_keeps_its_limits_and_is_the_newest_end(lines: list[Line]) -> None:
    kept = tail_of(lines)

    assert len(kept) <= 50
    assert sum(as_stored(text) for text in kept) <= MAX_BYTES
    assert all(as_stored(text) <= MAX_LINE_BYTES for text in kept)
    expected = [clean(line.message) for line in lines][len(lines) - len(kept) :]
    assert all(
        text in (whole, *[text] * (text.endswith("…") and whole.startswith(text[:-1])))
        for text, whole in zip(kept, expected, strict=True)
    )


@given(st.text())
def test_text_is_counted_as_it_is_stored(text: str) -> None:
    assert stored_bytes(clean(text)) == as_stored(clean(text))


@given(st.text(), st.integers(3, 60))
def test_a_shortened_text_fits_and_is_a_beginning(text: str, limit: int) -> None:
    plain = clean(text)
    short = shortened(plain, limit)

    assert as_stored(short) <= limit
    assert short == plain or plain.startswith(short.removesuffix("…"))


@given(st.text())
def test_cleaning_what_is_clean_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)
