"""What the demo prints: readable without colours, and never obeying what an agent wrote."""

from __future__ import annotations

import io

import pytest
from dev.demo import render
from dev.demo.errors import DemoError
from dev.demo.screen import Screen
from rich.console import Console


def plain() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, highlight=False, soft_wrap=True)), out


@pytest.mark.parametrize(
    "line",
    ["\x1b[31mred\x1b[0m", "\x1b]52;c;cm0gLXJm\x07red", "\x1b]0;title\x1b\\red", "re\x00d\r\x07", "\x9b2Jred"],
)
def test_control_sequences_in_a_log_line_are_taken_out(line: str) -> None:
    shown = render.log_line(line).plain
    assert shown.endswith("red") or shown.endswith("2Jred")
    assert all(character.isprintable() for character in shown)


def test_markup_in_a_log_line_is_text() -> None:
    screen, out = plain()
    screen.show(render.log_line("[bold]not bold[/bold] [link=x]y[/link]"))
    assert "[bold]not bold[/bold] [link=x]y[/link]" in out.getvalue()


def test_a_long_line_is_cut_on_a_terminal_and_whole_in_a_file() -> None:
    assert render.log_line("x" * 300, width=50).plain == "    │ " + "x" * 49 + "…"
    screen, out = plain()
    screen.show(render.log_line("x" * 300, screen.log_width))
    assert "x" * 300 in out.getvalue()


def test_additions_and_removals_of_a_diff_are_told_apart() -> None:
    shown = render.diff("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n same\n")
    styles = {shown.plain[span.start : span.end].strip(): span.style for span in shown.spans}
    assert (styles["-old"], styles["+new"], styles["+++ b/f"]) == ("red", "green", "bold")


def test_a_step_in_a_file_is_two_plain_lines() -> None:
    screen, out = plain()
    with screen.step("Start it", 5):
        pass
    first, second = out.getvalue().splitlines()
    assert first == "… Start it"
    assert second.startswith("✓ Start it  0.")
    assert "\x1b" not in out.getvalue()


def test_a_step_that_fails_says_so_and_passes_the_error_on() -> None:
    screen, out = plain()
    with pytest.raises(DemoError), screen.step("Start it", 5):
        raise DemoError("broken")
    assert "✗ Start it" in out.getvalue()


def test_on_a_terminal_a_step_shows_a_bar() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, force_terminal=True, width=100))
    with screen.step("Start it", 5):
        pass
    assert "\x1b" in out.getvalue()
    assert "Start it" in out.getvalue()


def test_only_the_last_lines_of_an_output_are_shown() -> None:
    assert render.indented("a\nb\nc\n", last=2).plain == "    b\n    c"
