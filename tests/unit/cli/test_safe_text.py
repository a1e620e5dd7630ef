"""Lines of strangers on a terminal: seen, never obeyed."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.cli.safe_text import json_line, visible

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_no_control_character_but_the_tab_is_left_of_any_text(text: str) -> None:
    shown = visible(text)

    assert all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in shown.replace("\t", ""))
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")
    shown.encode()


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co"))))
def test_text_without_such_characters_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07", "␛]52;c;cm0gLXJmIH4=␇"),
        ("a\rb\nc\x00d\x7f", "a␍b␊c␀d␡"),
        ("\x9b2J", "<U+009B>2J"),
        ("user\u202etxt.exe", "user<U+202E>txt.exe"),
        ("half \ud83d", "half \ufffd"),
        ("a\tb 你好 👩‍💻", "a\tb 你好 👩‍💻"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_a_sign(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANYTHING)
def test_json_is_exact_on_one_line_and_harmless(text: str) -> None:
    line = json_line({"message": text})

    assert json.loads(line) == {"message": text}
    assert len(line.splitlines()) == 1
    assert all(unicodedata.category(character) not in ("Cc", "Cs") for character in line)
    line.encode()
