"""A recording is asciicast v2, bounded, without known secrets however they arrive, and kept until it is stored."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.process.runner.intake import running_intake
from tests.process.runner.running import KEY, Volume

from bugcommand_operator.cli.recording import Output, read_cast
from bugcommand_operator.runner.lines import Redactor
from bugcommand_operator.runner.queues import Envelope
from bugcommand_operator.runner.recorder import MARKER, PART_BYTES, Recorder
from bugcommand_operator.runner.recording import RecordingQueue, earlier_recordings
from bugcommand_operator.runner.ship import ship

SECRET = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AA"  # gitleaks:allow, made up
HEADER: dict[str, object] = {"width": 80, "height": 24}


class Tape:
    def __init__(self, limit: int = 1 << 20, takes: bool = True) -> None:
        self.parts: list[bytes] = []
        self.now = 0.0
        self.takes = takes
        self.recorder = Recorder(Redactor([SECRET, "hunter22"]), self._keep, HEADER, limit, lambda: self.now)

    def _keep(self, part: bytes) -> bool:
        self.parts += [part] * self.takes
        return self.takes

    def shown(self) -> str:
        self.recorder.close()
        header, events = read_cast(part.decode() for part in self.parts)
        assert (header.width, header.height) == (80, 24)
        return "".join(event.text for event in events if isinstance(event, Output))


def fed(data: bytes, sizes: list[int]) -> str:
    tape, at, number = Tape(), 0, 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        tape.recorder.feed(data[at : at + size])
        at, number = at + size, number + 1
    return tape.shown()


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([SECRET, "hunter22", "words ", "\x1b[31m", "\r\n", "é€", "sk-an", "hun", "\x1b]0;t\x07"]),
        max_size=12,
    ),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_no_secret_is_shown_however_the_output_arrives_and_nothing_else_is_lost(
    words: list[str], sizes: list[int]
) -> None:
    shown = fed("".join(words).encode(), sizes)
    assert SECRET not in shown
    assert SECRET[6:20] not in shown
    assert "hunter22" not in shown
    if not {SECRET, "hunter22"}.intersection(words):
        assert shown == "".join(words)


@pytest.mark.parametrize("between", ["\x1b[0m", "\r\n", "\x1b[5;1H", "\x1b[K\r\n"])
def test_a_secret_that_escapes_or_a_line_break_divide_is_hidden_and_they_stay(between: str) -> None:
    assert fed(f"key {SECRET[:20]}{between}{SECRET[20:]} end".encode(), [7]) == f"key [redacted]{between} end"


@given(st.binary(max_size=300), st.lists(st.integers(1, 9), min_size=1))
def test_whatever_bytes_come_the_recording_is_text(data: bytes, sizes: list[int]) -> None:
    assert fed(data, sizes) == data.decode("utf-8", "replace")


def test_times_are_those_at_which_output_came_and_a_part_is_let_go_after_some_seconds() -> None:
    tape = Tape()
    tape.now = 1.5
    tape.recorder.feed(b"one\r\n")
    tape.recorder.tick()
    assert tape.parts == []
    tape.now = 6.0
    tape.recorder.tick()
    lines = tape.parts[0].decode().splitlines()
    assert json.loads(lines[0]) == {"version": 2, "width": 80, "height": 24}
    assert json.loads(lines[1]) == [1.5, "o", "one\r\n"]


def test_a_recording_is_bounded_and_says_where_it_ends() -> None:
    tape = Tape(limit=1 << 20)
    for _ in range(40):
        tape.recorder.feed(b"\x1b[1m" * 16_000)
    assert sum(map(len, tape.parts)) < (1 << 20) + 1000
    assert max(map(len, tape.parts)) <= PART_BYTES
    assert tape.shown().endswith(MARKER)


def test_a_volume_that_is_full_ends_the_recording_and_nothing_else() -> None:
    tape = Tape(takes=False)
    tape.recorder.feed(b"one")
    tape.recorder.close()
    tape.recorder.feed(b"two")
    assert tape.parts == []


ENVELOPE = Envelope("id", 1, "m")


def queue(state: Path, attempt: int = 1, **more: Any) -> RecordingQueue:
    return RecordingQueue(state, attempt, ENVELOPE, **more)


def test_parts_wait_on_the_volume_until_they_are_stored(tmp_path: Path) -> None:
    first = queue(tmp_path)
    assert first.keep(b"one")
    assert first.keep(b"two")
    parcel = first.take()
    assert parcel is not None
    assert json.loads(parcel.body) == {"commandId": "id", "attempt": 1, "part": 1, "data": "one"}
    first.stored(parcel)
    (again,) = earlier_recordings(tmp_path, 2, Envelope("id", 1, "m"))
    left = again.take()
    assert left is not None
    assert (again.pending, left.last) == (1, 2)


def test_of_a_runner_that_was_killed_what_was_shown_until_then_is_sent(tmp_path: Path) -> None:
    killed = queue(tmp_path)
    recorder = Recorder(Redactor([SECRET]), killed.keep, HEADER, 1 << 20, begun=killed.begin)
    recorder.feed(f"one {SECRET} two".encode())
    (part,) = (tmp_path / "recording" / "1").iterdir()
    with part.open("ab") as file:
        file.write(b'[0.1, "o", "torn')
    for left in (queue(tmp_path), queue(tmp_path, read_only=True), *earlier_recordings(tmp_path, 2, ENVELOPE)):
        parcel = left.take()
        assert parcel is not None
        header, event = json.loads(parcel.body)["data"].splitlines()
        assert (parcel.last, json.loads(header)["width"], json.loads(event)[2]) == (1, 80, "one [redacted] two")
    assert parcel is not None
    left.stored(parcel)
    assert list(part.parent.iterdir()) == []


def test_a_part_that_is_kept_is_there_once(tmp_path: Path) -> None:
    whole = queue(tmp_path)
    recorder = Recorder(Redactor(), whole.keep, HEADER, 1 << 20, begun=whole.begin)
    recorder.feed(b"one")
    recorder.close()
    assert [path.name for path in (tmp_path / "recording" / "1").iterdir()] == ["1"]
    assert queue(tmp_path).pending == 1


def test_what_an_agent_put_in_a_parts_place_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the node")
    folder = tmp_path / "recording" / "1"
    folder.mkdir(parents=True)
    (folder / "1").symlink_to(secret)
    (folder / "2").mkdir()
    (folder / "x").write_text("no part")
    planted = queue(tmp_path, read_only=True)
    assert planted.pending == 2
    assert (planted.take(), planted.take(), planted.pending) == (None, None, 0)
    (tmp_path / "recording" / "2").symlink_to(folder)
    assert queue(tmp_path, 2, read_only=True).pending == 0


def test_a_terminal_session_is_recorded_and_sent(volume: Volume) -> None:
    with running_intake() as intake:
        began = time.time()
        volume.run("fix it\nsecret", intakeUrl=intake.url).end()
        cast = intake.cast()
    head = json.loads(cast.splitlines()[0])
    assert {**head, "timestamp": 0} == {
        "version": 2,
        "width": 200,
        "height": 50,
        "timestamp": 0,
        "title": "fix-login",
        "env": {"TERM": "tmux-256color"},
    }
    assert began - 1 <= head["timestamp"] <= time.time()
    _, events = read_cast([cast])
    assert "".join(event.text for event in events if isinstance(event, Output))
    assert KEY not in cast
    assert [path for path in (volume.root / "state" / "recording").rglob("*") if path.is_file()] == []


def test_the_output_that_is_the_log_is_recorded_too(volume: Volume) -> None:
    volume.program("agent", f"#!/bin/sh\nprintf '\\033[32mgreen\\033[0m {KEY} end\\n'\n")
    with running_intake() as intake:
        told = volume.run("x", transcript="Plain", intakeUrl=intake.url).end()
        _, events = read_cast([intake.cast()])
        shown = "".join(event.text for event in events if isinstance(event, Output))
    assert told["reason"] == "Completed"
    assert "\x1b[32mgreen\x1b[0m [redacted] end" in shown
    assert "green [redacted] end" in intake.messages()


def test_a_gateway_without_a_place_for_recordings_does_not_hold_up_the_end(volume: Volume) -> None:
    with running_intake() as intake:
        intake.takes_recordings = False
        running = volume.run("fix it", intakeUrl=intake.url)
        told = running.end()
        assert (told["reason"], told["unshipped"], told["refused"]) == ("Completed", 0, 0)
        assert told["unshippedParts"] == 1
        assert intake.cast() == ""
        intake.takes_recordings = True
        request = {"commandId": "id", "attempt": 1, "epoch": 1, "machineId": "m", "intakeUrl": intake.url}
        ship({**request, "stateDir": str(volume.root / "state"), "seconds": 20}, str(volume.root / "token"))
        assert intake.cast().startswith('{"version": 2')


def test_a_headless_agent_is_not_recorded(volume: Volume) -> None:
    with running_intake() as intake:
        volume.run("fix it", mode="Headless", intakeUrl=intake.url).end()
        assert intake.messages()
        assert intake.cast() == ""
