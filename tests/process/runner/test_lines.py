"""What leaves `lines` is safe to store and to show, whatever went in."""

from __future__ import annotations

import base64
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.runner.lines import MAX_MESSAGE_BYTES, LineBuffer, Redactor, sanitise, split_message

SECRET = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AA"  # gitleaks:allow, made up


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m and \x1b[1;38;5;200mloud\x1b[m", "red and loud"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]52;c;cm0gLXJmIC8=\x1b\\clip", "clip"),
        ("\x1b]8;;https://example.org\x07link\x1b]8;;\x07", "link"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x1b(Bcharset", "charset"),
        ("\x9b31mcsi of eight bits", "csi of eight bits"),
        ("unfinished \x1b]0;title", "unfinished "),
        ("nul\x00 bell\x07 back\x08", "nul bell back"),
        ("10%\r50%\r100%", "100%"),
        ("ends in a return\r", "ends in a return"),
        ("a\tb", "a\tb"),
        ("\u202efdp.exe\u2066", "fdp.exe"),
        ("half \ud83d pair", "half \ufffd pair"),
    ],
)
def test_escapes_and_control_characters_are_taken_out(raw: str, shown: str) -> None:
    assert sanitise(raw) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(raw: str) -> None:
    shown = sanitise(raw)
    assert all(char == "\t" or unicodedata.category(char) not in ("Cc", "Cs") for char in shown)


@given(st.text(), st.integers(min_value=4, max_value=64))
def test_parts_of_a_long_message_are_small_and_lose_nothing(text: str, limit: int) -> None:
    text = sanitise(text)
    parts = list(split_message(text, limit))
    assert "".join(parts) == text
    assert all(len(part.encode()) <= limit for part in parts)


def test_a_character_is_never_cut_in_two_at_the_limit() -> None:
    parts = list(split_message("x" * (MAX_MESSAGE_BYTES - 1) + "€uro"))
    assert parts == ["x" * (MAX_MESSAGE_BYTES - 1), "€uro"]


@given(st.binary(), st.lists(st.integers(min_value=1, max_value=20), min_size=1))
def test_lines_are_the_same_however_the_bytes_arrive(data: bytes, sizes: list[int]) -> None:
    whole, pieces = LineBuffer(), LineBuffer()
    expected = whole.feed(data) + whole.flush()
    found: list[str] = []
    while data:
        size = sizes[len(data) % len(sizes)]
        found += pieces.feed(data[:size])
        data = data[size:]
    assert found + pieces.flush() == expected


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    buffer = LineBuffer(limit=1024)
    parts = [part for _ in range(1000) for part in buffer.feed("é".encode() * 512)]
    assert max(len(part.encode()) for part in parts) <= 1024
    assert "".join(parts + buffer.flush()) == "é" * 512_000


def test_broken_utf8_becomes_a_mark() -> None:
    assert LineBuffer().feed(b"a\xffb\n") == ["a\ufffdb"]


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x:" + SECRET.encode() + b"!").decode(),
        base64.urlsafe_b64encode(b"u" + SECRET.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_a_secret_is_hidden_in_each_of_its_forms(form: str) -> None:
    shown = Redactor([SECRET])(f"key={form} end")
    assert "[redacted]" in shown
    assert shown.endswith("end")
    assert not any(form[start : start + 16] in shown for start in range(2, len(form) - 20))


@given(st.integers(min_value=1, max_value=len(SECRET) - 1))
def test_a_secret_that_is_wrapped_over_two_lines_cannot_be_put_together(cut: int) -> None:
    redact = Redactor([SECRET])
    first, second = redact("key: " + SECRET[:cut]), redact(SECRET[cut:] + " end")
    shown = first.removeprefix("key: ") + second.removesuffix(" end")
    assert len(shown.replace("[redacted]", "")) <= 15


def test_two_secrets_beside_each_other_are_both_hidden() -> None:
    other = "ghp_" + "9876543210" * 3
    assert Redactor([SECRET, other])(f"{SECRET}{other}") == "[redacted][redacted]"


def test_short_secrets_are_hidden_whole_and_tiny_ones_are_not_looked_for() -> None:
    redact = Redactor(["hunter22", "1"])
    assert redact("1 hunter22 1") == "1 [redacted] 1"


@given(st.text(alphabet="abc \n", max_size=200))
def test_text_without_a_secret_is_left_as_it_is(text: str) -> None:
    assert Redactor([SECRET])(text) == text


def test_secrets_that_are_learnt_later_are_hidden_too() -> None:
    redact = Redactor()
    redact.add([SECRET])
    assert redact(SECRET) == "[redacted]"
