"""Recordings: parts of text make a file, lines of it events."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.fakes import COMMAND, Tables

from bugcommand_operator.cli import recording
from bugcommand_operator.cli.errors import CliError, NotFound
from bugcommand_operator.cli.player import PAUSE, QUIT, STEP, Pace, Player
from bugcommand_operator.cli.recording import Event, Header, Output, Recordings, Resize, read_cast
from bugcommand_operator.cli.terminal_filter import CLEAR, LEAVE_ALTERNATE

HEAD = '{"version": 2, "width": 80, "height": 24}\n'
CAST = (
    HEAD
    + '[0.5, "o", "hi\\u001b[1m"]\n[0.7, "i", "typed"]\n[1.0, "r", "100x30"]\nno event\n[0.2, "o", "ä"]\n[9, "o", "cut'
)


@given(st.lists(st.integers(0, len(CAST))))
def test_events_are_the_same_however_the_text_is_cut_into_parts(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CAST)]
    parts = [CAST[start:end] for start, end in pairwise(edges)]
    header, events = read_cast(parts)

    assert header == Header(80, 24)
    assert list(events) == [Output(0.5, "hi\x1b[1m"), Resize(1.0, 100, 30), Output(1.0, "ä")]


@pytest.mark.parametrize("text", ["", "x\n", "[]\n", '{"version": 3, "width": 1, "height": 1}\n', '{"version": 2}\n'])
def test_what_is_no_such_recording_is_refused(text: str) -> None:
    with pytest.raises(CliError):
        read_cast([text])


@pytest.mark.parametrize(
    "line", ['[NaN, "o", "x"]', '[Infinity, "o", "x"]', '[1, "o", 5]', '[1, "r", "9999999x1"]', "[]"]
)
def test_an_event_that_makes_no_sense_is_left_out(line: str) -> None:
    assert list(read_cast([HEAD, line, "\n", '[1, "o", "y"]'])[1]) == [Output(1.0, "y")]


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_LINE", 100)
    with pytest.raises(CliError):
        read_cast("x" * 60 for _ in range(3))


def tables(*parts: tuple[int, int, str]) -> Tables:
    rows = [{"command_id": COMMAND, "attempt": attempt, "part": part, "data": data} for attempt, part, data in parts]
    return Tables({"spawn_recordings": rows}, most=2)


def test_parts_are_read_in_their_order_and_the_last_attempt_is_the_default() -> None:
    recordings = Recordings(tables(*((2, part, f"<{part}>") for part in (3, 1, 0, 10, 2)), (1, 0, "old")), COMMAND)

    assert recordings.latest() == 2
    assert "".join(recordings.parts(2)) == "<0><1><2><3><10>"
    assert "".join(recordings.parts(1)) == "old"


def test_without_a_recording_it_says_so() -> None:
    recordings = Recordings(tables((1, 0, "x")), COMMAND)
    with pytest.raises(NotFound):
        list(recordings.parts(7))
    with pytest.raises(NotFound):
        Recordings(tables(), COMMAND).latest()


class FakeScreen:
    """Time passes only by waiting for keys; `keys` are pressed at their times."""

    def __init__(self, *keys: tuple[float, str]) -> None:
        self.now, self.keys, self.written = 0.0, list(keys), list[tuple[float, str]]()

    def write(self, text: str) -> None:
        self.written.append((round(self.now, 3), text))

    def key(self, seconds: float) -> str:
        if self.keys and self.keys[0][0] <= self.now + seconds:
            at, key = self.keys.pop(0)
            self.now = max(self.now, at)
            return key
        self.now += seconds
        return ""


EVENTS: list[Event] = [Output(1, "a"), Output(2, "b"), Resize(3, 1, 1), Output(12, "c")]


def played(pace: Pace, *keys: tuple[float, str], events: list[Event] = EVENTS) -> tuple[list[tuple[float, str]], bool]:
    screen = FakeScreen(*keys)
    ended = Player(screen, pace, lambda: screen.now).play(iter(events))
    assert screen.written[0] == (0.0, CLEAR)
    return screen.written[1:], ended


@pytest.mark.parametrize(
    ("pace", "times"),
    [
        (Pace(), [1, 2, 12]),
        (Pace(speed=2), [0.5, 1, 6]),
        (Pace(idle_limit=2), [1, 2, 5]),
        (Pace(speed=2, idle_limit=2), [0.5, 1, 2.5]),
        (Pace(at=1.5), [0, 0.5, 10.5]),
        (Pace(at=math.inf), [0, 0, 0]),
    ],
)
def test_events_are_shown_when_they_are_due(pace: Pace, times: list[float]) -> None:
    assert played(pace) == ([(at, text) for at, text in zip(times, "abc", strict=True)], True)


def test_a_pause_moves_all_that_follows() -> None:
    assert played(Pace(), (1.5, PAUSE), (100, PAUSE)) == ([(1, "a"), (100.5, "b"), (110.5, "c")], True)


def test_a_dot_skips_the_wait_and_q_ends_it() -> None:
    assert played(Pace(), (4, STEP)) == ([(1, "a"), (2, "b"), (4, "c")], True)
    assert played(Pace(), (0, STEP), (1.2, PAUSE), (2, QUIT))[1] is False


def test_what_is_shown_has_gone_through_the_filter_and_the_alternate_screen_is_left() -> None:
    events: list[Event] = [Output(0, "\x1b[?1049h\x1b]52;c;"), Output(0, "YQ==\x07x\x1b[6n")]
    assert played(Pace(), events=events)[0] == [(0, "\x1b[?1049h"), (0, "x"), (0, LEAVE_ALTERNATE)]


def test_events_are_json_of_the_program_s_own_output() -> None:
    line = json.dumps([0, "o", "\ud83d"])
    assert list(read_cast([HEAD, line])[1]) == [Output(0.0, "\ud83d")]
