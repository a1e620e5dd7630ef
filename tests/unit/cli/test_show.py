"""How lines look."""

import json

from bugcommand_operator.cli.lines import Line
from bugcommand_operator.cli.show import JsonStyle, TextStyle

OUT = Line(1, 1, "stdout", "2026-01-01T00:00:00+00:00", "fine")
ERR = Line(1, 2, "stderr", "2026-01-01T00:00:01+00:00", "\x1b]0;x\x07bad")


def test_stderr_is_marked_and_control_characters_are_signs() -> None:
    style = TextStyle()
    assert [style(OUT), style(ERR)] == ["fine\n", "! ␛]0;x␇bad\n"]


def test_when_only_stderr_is_asked_for_nothing_needs_a_mark() -> None:
    assert TextStyle(mark_stderr=False)(ERR).startswith("␛")


def test_colours_are_ours_alone() -> None:
    assert TextStyle(colour=True)(ERR) == "\x1b[31m! ␛]0;x␇bad\x1b[0m\n"


def test_times_come_first() -> None:
    assert TextStyle(timestamps=True)(OUT) == "2026-01-01T00:00:00+00:00 fine\n"


def test_a_heading_stands_where_another_attempt_begins() -> None:
    style = TextStyle(name_attempts=True)
    second = Line(2, 1, "stdout", OUT.ts, "again")
    assert [style(OUT), style(second), style(second)] == ["fine\n", "── attempt 2 ──\nagain\n", "again\n"]


def test_json_is_one_object_a_line_with_the_message_as_it_was() -> None:
    text = JsonStyle("some-id")(ERR)
    assert text.endswith("}\n")
    assert "\x1b" not in text
    assert json.loads(text) == {
        "command_id": "some-id", "attempt": 1, "seq": 2, "stream": "stderr", "ts": ERR.ts, "message": ERR.message,
    }  # fmt: skip
