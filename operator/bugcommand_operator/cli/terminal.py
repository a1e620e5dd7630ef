"""The person's terminal while something is played: keys come one by one and unseen, and all is put back at the end."""

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from bugcommand_operator.cli.terminal_filter import RESET

_CTRL_C, _CTRL_D = "\x03", "\x04"


class Terminal:
    def __init__(self, keys: int, screen: int) -> None:
        self._keys, self._screen = keys, screen

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._screen, data) :]

    def key(self, seconds: float) -> str:
        ready, _, _ = select.select([self._keys], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self._keys, 64).decode("latin-1")
        if not pressed or _CTRL_D in pressed:
            return "q"
        if _CTRL_C in pressed:
            raise KeyboardInterrupt
        return pressed[0]


@contextmanager
def opened() -> Iterator[Terminal]:
    """The terminal for playing. However it ends, modes, colours, cursor and screen are as before."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(keys)
    terminal = Terminal(keys, screen)
    try:
        _set_modes(keys)
        yield terminal
    finally:
        with contextlib.suppress(OSError):
            terminal.write(f"{RESET}\x1b[999;1H\r\n")
        # What was typed meanwhile, or answered by the terminal, must not reach the shell.
        termios.tcsetattr(keys, termios.TCSAFLUSH, before)


def _set_modes(keys: int) -> None:
    """Keys one by one and unseen; Ctrl-C still interrupts. Output exactly as recorded: its lines were ended before."""
    tty.setcbreak(keys, termios.TCSANOW)
    modes = termios.tcgetattr(keys)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(keys, termios.TCSANOW, modes)
