"""What leaves `lines` is safe to store and to show, whatever went in."""

from __future__ import annotations

import base64
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bugcommand_operator.runner.lines import MAX_MESSAGE_BYTES, LineBuffer, Redactor, sanitise, split_message
from bugcommand_operator.runner.long_line import LongLine, fitting

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


@given(st.lists(st.binary(max_size=9)))
def test_what_is_broken_in_a_line_breaks_no_other(lines: list[bytes]) -> None:
    whole = [line.replace(b"\n", b"") for line in lines]
    read = LineBuffer().feed(b"".join(line + b"\n" for line in whole))
    assert read == [line.decode("utf-8", "replace") for line in whole]


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


@given(st.text(alphabet="x ä€\U0001f511", max_size=20), st.sampled_from([SECRET, "schlüssel-für-alles-€-🔑-0123"]))
def test_a_secret_is_hidden_wherever_it_stands_and_whatever_stands_before_it(before: str, secret: str) -> None:
    assert Redactor([secret, "another-secret-0123456789"])(before + secret[3:]) == before + "[redacted]"


@given(st.integers(min_value=1, max_value=len(SECRET) - 1))
def test_a_secret_that_is_wrapped_over_two_lines_cannot_be_put_together(cut: int) -> None:
    redact = Redactor([SECRET])
    first, second = redact("key: " + SECRET[:cut]), redact(SECRET[cut:] + " end")
    shown = first.removeprefix("key: ") + second.removesuffix(" end")
    assert len(shown.replace("[redacted]", "")) <= 15


@given(
    st.integers(min_value=1, max_value=len(SECRET) - 1),
    st.sampled_from(["", "    ", "  ⎿ ", "│ ", "\t"]),
    st.sampled_from(["", " ", "…", " │"]),
)
def test_of_a_secret_that_a_line_break_has_cut_no_more_is_shown_than_its_beginning(
    cut: int, lead: str, trail: str
) -> None:
    redact = Redactor([SECRET])
    first = redact.line("stdout", "key: " + SECRET[:cut] + trail)
    second = redact.line("stdout", lead + SECRET[cut:])
    assert len(first) - len("key: " + trail) <= max(5, len("[redacted]"))
    assert second.removeprefix(lead) == "[redacted]"
    assert cut <= 5 or SECRET[:6] not in first


@pytest.mark.parametrize("width", [6, 7, 10, 16, 40])
def test_a_secret_in_a_narrow_column_is_hidden_line_by_line(width: int) -> None:
    redact = Redactor([SECRET])
    wrapped = [SECRET[at : at + width] for at in range(0, len(SECRET), width)]
    assert [redact.line("stdout", line) for line in wrapped] == ["[redacted]"] * len(wrapped)


@given(st.integers(min_value=0, max_value=80), st.integers(min_value=0, max_value=80))
def test_a_secret_in_base64_with_line_breaks_is_hidden_at_each_alignment(before: int, after: int) -> None:
    text = base64.encodebytes(b"#" * before + SECRET.encode() + b"#" * after).decode()
    redact = Redactor([SECRET])
    shown = "".join(redact.line("stdout", line) for line in text.splitlines()).replace("[redacted]", "")
    secrets = {base64.b64encode(b"#" * shift + SECRET.encode()).decode()[4:-4] for shift in range(3)}
    pieces = {form[at : at + 12] for form in secrets for at in range(len(form) - 12)}
    assert not any(piece in shown for piece in pieces)


def test_the_streams_of_an_agent_do_not_continue_each_other() -> None:
    redact = Redactor([SECRET])
    redact.line("stderr", SECRET[:10])
    assert redact.line("stdout", SECRET[10:16]) == SECRET[10:16]
    assert redact.line("stderr", SECRET[10:16]) == "[redacted]"


def test_what_looks_like_a_continuation_by_chance_is_left_as_it_is() -> None:
    redact = Redactor([SECRET])
    redact.line("stdout", SECRET[:10])
    assert redact.line("stdout", SECRET[10] + " is a letter") == SECRET[10] + " is a letter"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([SECRET, "word " * 700, "x" * 5000, "\x1b[31m", "\x1b]0;title\x07", "é€"]), max_size=9),
    st.lists(st.integers(min_value=1, max_value=6000), min_size=1, max_size=7),
)
def test_a_line_that_arrives_in_pieces_reads_as_if_it_had_come_at_once(words: list[str], sizes: list[int]) -> None:
    whole = "".join(words)
    line, parts, at, number = LongLine(Redactor([SECRET])), list[str](), 0, 0
    while at < len(whole):
        size = sizes[number % len(sizes)]
        parts += line.feed(whole[at : at + size], True)
        at, number = at + size, number + 1
    parts += line.feed("", False)
    assert "".join(part.removeprefix("↪").removesuffix("↩") for part in parts) == Redactor([SECRET])(sanitise(whole))
    assert all(len(part.encode()) <= MAX_MESSAGE_BYTES for part in parts)


def test_no_token_is_cut_by_the_end_of_a_part_where_a_space_is_near() -> None:
    token = "eyJ" + "a" * 500
    parts = fitting(("word " * 14_000)[: MAX_MESSAGE_BYTES - 100] + " " + token + " end")
    assert len(parts) == 2
    assert parts[1] == f"↪{token} end"


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


@given(st.lists(st.sampled_from([SECRET, SECRET[:20], SECRET[20:], "a word", "", "  ⎿ " + SECRET[9:]]), max_size=8))
def test_lines_that_come_together_read_as_if_each_had_come_alone(texts: list[str]) -> None:
    together, alone = Redactor([SECRET]), Redactor([SECRET])
    half = len(texts) // 2
    found = [*together.lines("stdout", texts[:half]), *together.lines("stdout", texts[half:])]
    assert found == [alone.line("stdout", text) for text in texts]


def test_a_secret_with_a_blank_is_hidden_too() -> None:
    redact = Redactor(["correct horse battery staple", SECRET])
    assert redact.lines("stdout", [f"it is correct horse battery staple and {SECRET}"]) == [
        "it is [redacted] and [redacted]"
    ]
