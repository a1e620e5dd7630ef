"""`kubectl bug replay` on a terminal: what it shows, and how it leaves the terminal."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.process.cli.conftest import Lab
from tests.process.cli.stub import COMMAND, row

from bugcommand_operator.cli.terminal_filter import CLEAR, RESET

SECONDS = 60
HEAD = json.dumps({"version": 2, "width": 80, "height": 24}) + "\n"


def cast(*events: tuple[float, str]) -> str:
    return HEAD + "".join(json.dumps([at, "o", text]) + "\n" for at, text in events)


def record(lab: Lab, text: str, attempt: int = 1) -> None:
    """In parts that end anywhere."""
    parts = [text[start : start + 17] for start in range(0, len(text), 17)]
    lab.gateway.tables.tables["spawn_recordings"] += [
        {"command_id": COMMAND, "attempt": attempt, "part": number, "data": part} for number, part in enumerate(parts)
    ]


@dataclass
class OnTerminal:
    """The program with a terminal of its own."""

    master: int
    slave: int
    process: "subprocess.Popen[str]"
    seen: bytes = b""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text.encode() not in self.seen:
            assert time.monotonic() < deadline, self.seen
            self._read()

    def end(self) -> int:
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def modes(self) -> Any:
        return termios.tcgetattr(self.slave)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 0.1)
        if ready:
            self.seen += os.read(self.master, 1 << 16)
        return bool(ready)


@contextmanager
def on_terminal(lab: Lab, *arguments: str) -> Iterator[OnTerminal]:
    master, slave = pty.openpty()
    modes = termios.tcgetattr(slave)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    process = lab.start(
        *arguments,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    terminal = OnTerminal(master, slave, process)
    try:
        yield terminal
        assert terminal.modes() == modes, "the terminal is not as it was"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(SECONDS)
        os.close(master)
        os.close(slave)


def test_a_recording_is_played_without_what_is_dangerous_and_the_terminal_is_put_back(lab: Lab) -> None:
    record(lab, cast((0, "\x1b[1mhi \x1b]52;c;Y"), (0.1, "Q==\x07\x1b[6n\x1b[?1049hthere\r\n"), (60, "end")))
    with on_terminal(lab, "replay", "fix", "--idle-limit", "200ms", "--speed", "2x") as terminal:
        assert terminal.end() == 0

    start, _, shown = terminal.seen.decode().partition(CLEAR)
    assert "recorded at 80x24, this terminal has 40x10" in start
    assert shown.startswith("\x1b[1mhi \x1b[?1049hthere\r\n")
    assert "end\x1b[?1049l" in shown
    assert RESET in shown.partition("end")[2]
    assert "\x1b]" not in shown
    assert "\x1b[6n" not in shown


def test_the_last_recorded_attempt_is_played_unless_another_is_named(lab: Lab) -> None:
    record(lab, cast((0, "first")), 1)
    record(lab, cast((0, "second")), 2)
    with on_terminal(lab, "replay", "fix") as terminal:
        assert terminal.end() == 0
    assert b"second" in terminal.seen
    with on_terminal(lab, "replay", COMMAND, "--attempt", "1") as terminal:
        assert terminal.end() == 0
    assert b"first" in terminal.seen


def test_it_begins_where_it_is_told_to_and_q_ends_it(lab: Lab) -> None:
    record(lab, cast((0, "one "), (100, "two "), (1000, "three")))
    with on_terminal(lab, "replay", "fix", "--at", "2m") as terminal:
        terminal.read_until("one two ")
        terminal.press("q")
        assert terminal.end() == 0
    assert b"three" not in terminal.seen


def test_interrupted_it_puts_the_terminal_back_and_what_was_typed_is_gone(lab: Lab) -> None:
    record(lab, cast((0, "\x1b[?1049h\x1b[?25lshown"), (1000, "never")))
    with on_terminal(lab, "replay", "fix") as terminal:
        terminal.read_until("shown")
        assert not terminal.modes()[3] & termios.ECHO
        terminal.press("rm -rf\n\x03")
        assert terminal.end() == 130
        assert select.select([terminal.slave], [], [], 0)[0] == []

    assert b"\x1b[?1049l" in terminal.seen
    assert RESET.encode() in terminal.seen
    assert b"Traceback" not in terminal.seen


def test_ended_by_a_signal_it_puts_the_terminal_back_too(lab: Lab) -> None:
    record(lab, cast((0, "\x1b[?1049hshown"), (1000, "never")))
    with on_terminal(lab, "replay", "fix") as terminal:
        terminal.read_until("shown")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 130
    assert terminal.seen.count(b"\x1b[?1049l") == 1


def test_it_is_saved_byte_for_byte_and_only_when_it_is_whole(lab: Lab, tmp_path: Path) -> None:
    text = cast((0, "\x1b]52;c;YQ==\x07ä 你"), (1.5, "end"))
    record(lab, text)
    file = tmp_path / "session.cast"

    assert lab.run("replay", "fix", "-o", "cast", str(file)).returncode == 0
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o600
    assert lab.run("replay", "fix", "-o", "cast").stdout == text
    assert lab.run("replay", "fix", "-o", "cast", "--attempt", "2", str(file)).returncode == 3
    assert file.read_text() == text
    assert lab.run("replay", "fix", "-o", "cast", str(tmp_path / "no" / "folder")).returncode == 1
    assert [each.name for each in tmp_path.iterdir() if "session" in each.name] == ["session.cast"]


def test_lines_on_a_terminal_are_coloured_by_us_alone(lab: Lab) -> None:
    lab.gateway.add(row(1, 1, "\x1b[5;31mout\x1b]0;t\x07"), row(2, 1, "bad", "stderr"))
    with on_terminal(lab, "logs", "fix") as terminal:
        assert terminal.end() == 0

    shown = terminal.seen.decode().replace("\r\n", "\n")
    assert shown == "␛[5;31mout␛]0;t␇\n\x1b[2m── attempt 2 ──\x1b[0m\n\x1b[31m! bad\x1b[0m\n"
