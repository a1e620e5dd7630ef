"""What a recording may send to the viewer's terminal."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bugcommand_operator.cli.terminal_filter import TerminalFilter

ALLOWED = re.compile(
    r"([^\x00-\x1f\x7f-\x9f\ud800-\udfff]|[\x08\t\n\x0b\x0c\r\x0e\x0f]"
    r"|\x1b[78DEMNO]|\x1b[()*+][0AB]|\x1b#[34568]"
    r"|\x1b\[(\d{0,4}([;:]\d{0,4})*)[ABCDEFGHIJKLMPSTXZ@`abdefjkmrsu]|\x1b\[\?[012]?[JK]"
    r"|\x1b\[4[hl]|\x1b\[\?(5|7|12|25|47|1047|1048|1049|2026)(;\d+)*[hl]|\x1b\[!p|\x1b\[[0-6]? q)*",
    re.DOTALL,
)
FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b", "[", "]", "P", "\\", "\x07", "\x9b", "\x9d", "\x9c", "?", ";", "52", "6", "n", "c", "t", "q", "$p"]
        ),
        st.sampled_from(["h", "1049", "2004", "m", "31", ">", "=", "!", " ", "\x18", "\x1a", "\x05", "_", "^", "X"]),
        st.text(st.characters(exclude_categories=()), max_size=4),
    ),
    max_size=40,
)


def shown(*pieces: str) -> str:
    through = TerminalFilter()
    return "".join(through.pass_on(piece) for piece in pieces)


@given(FRAGMENTS)
@example(["\x1b]52;c;", "aGk=", "\x1b", "\\", "seen"])
@example(["\x1b[", "6", "n"])
def test_whatever_is_written_in_whatever_pieces_only_what_draws_comes_through(pieces: list[str]) -> None:
    assert ALLOWED.fullmatch(shown(*pieces))


@given(FRAGMENTS)
def test_where_the_pieces_are_cut_makes_no_difference(pieces: list[str]) -> None:
    whole = "".join(pieces)

    assert shown(*whole) == shown(whole) == shown(*pieces)


@pytest.mark.parametrize(
    "dangerous",
    [
        "\x1b]52;c;cm0gLXJmIH4=\x07",  # fills the clipboard
        "\x1b]52;c;cm0gLXJmIH4=\x1b\\",
        "\x1b]0;sudo rm\x07",  # titles
        "\x1b[21t",  # reports the title: as if it were typed
        "\x1b[8;1;1t",  # makes the window small
        "\x1b[6n",  # reports
        "\x1b[c",
        "\x1b[>c",
        "\x1b[0x",
        "\x1bZ",
        "\x05",
        "\x1b[?1$p",  # DECRQM
        "\x1bP$qm\x1b\\",  # DECRQSS
        "\x1bP+q544e\x1b\\",
        "\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\",  # for the terminal around tmux
        "\x1b[?2004h",  # what is pasted
        "\x1b[?1000h\x1b[?1006h\x1b[?1004h",  # what the mouse and the focus send
        "\x1b[>4;2m",  # what keys send
        "\x1b[?1h\x1b=",
        "\x1b[>1u",
        "\x1b[5i",  # the printer
        "\x1b]8;;file:///etc/passwd\x1b\\",
        "\x1b]777;notify;a;b\x07",
        "\x1b]11;?\x07",
        "\x9d52;c;YQ==\x9c",
        "\x9b6n",
        "\x1b_Gf=100;AAAA\x1b\\",
        "\x1b[3J",  # the scrollback
        "\x1b[99999b",
        "\x07",
    ],
)
def test_what_reaches_beyond_the_screen_is_left_out(dangerous: str) -> None:
    assert shown(f"before{dangerous}after") == "beforeafter"


@pytest.mark.parametrize(
    "drawing",
    [
        "\x1b[1;31mred\x1b[0m",
        "\x1b[38:2::255:0:0mred",
        "\x1b[2J\x1b[H\x1b[10;20Hhere",
        "\x1b[?25l\x1b[?1049h\x1b[?7l",
        "\x1b(0lqqk\x1b(B",
        "\x1b7\x1b8\x1bM",
        "\x1b[2 q",
        "line\r\nnext\tcolumn\b",
        "你好 👩‍💻",
    ],
)
def test_what_draws_is_passed_on(drawing: str) -> None:
    assert shown(drawing) == drawing


def test_of_several_modes_those_that_change_the_keys_are_left_out() -> None:
    assert shown("\x1b[?1049;2004;25h") == "\x1b[?1049;25h"


def test_a_full_reset_clears_the_screen_and_no_more() -> None:
    assert shown("\x1bcx") == "\x1b[!p\x1b[H\x1b[2Jx"


def test_a_string_that_never_ends_costs_no_memory_and_a_new_sequence_ends_it() -> None:
    through = TerminalFilter()
    assert through.pass_on("\x1b]52;c;") == ""
    for _ in range(1000):
        assert through.pass_on("A" * 1000) == ""
    assert through.pass_on("\x1b[1mseen") == "\x1b[1mseen"


def test_a_sequence_that_never_ends_is_given_up() -> None:
    assert shown(*["\x1b["], *["1;"] * 1000, "mtext").endswith("mtext")


def test_it_knows_whether_the_alternate_screen_is_left_to_be_closed() -> None:
    through = TerminalFilter()
    through.pass_on("\x1b[?1049h")
    assert through.on_alternate_screen
    through.pass_on("\x1b[?1049l")
    assert not through.on_alternate_screen
