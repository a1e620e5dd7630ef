"""The few things that are asked of tmux: hold a program, tell who watches, press keys, show the screen.

Its socket has a fixed path in the pod, so that a person attaches without knowing anything else about the run.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .processes import Children
from .session import StartFailed

SESSION = "agent"
COLUMNS, ROWS = 200, 50
_CONFIG = """\
set -g default-terminal "tmux-256color"
set -g history-limit 20000
set -g status off
set -g mouse on
set -g exit-empty off
set -s escape-time 10
"""
_TIMEOUT = 10.0


class TmuxError(StartFailed):
    """tmux is not there or does not answer."""


class Tmux:
    def __init__(self, children: Children, socket: str, scratch: Path, env: Mapping[str, str]) -> None:
        self._children = children
        self._socket = socket
        self._config = scratch / "tmux.conf"
        self._env = dict(env)

    def start(self, argv: Sequence[str], cwd: str, output: Path | None = None) -> tuple[int, int]:
        """Run a program in the session, all that it shows copied to `output`; its process id, and tmux's."""
        self._config.write_text(_CONFIG)
        Path(self._socket).unlink(missing_ok=True)
        where = ["-s", SESSION, "-x", str(COLUMNS), "-y", str(ROWS), "-c", cwd]
        # In one call: a second one would miss what the program showed first.
        copy = [";", "pipe-pane", "-t", SESSION, f"exec cat > '{output}'"] if output else []
        told = self._call("new-session", "-d", "-P", "-F", "#{pane_pid} #{pid}", *where, *argv, *copy)
        try:
            pane, server = told.split()
            return int(pane), int(server)
        except ValueError:
            raise TmuxError(f"tmux did not tell the process it started: {told.strip()[:200]}") from None

    def attached(self) -> bool:
        return bool(self._ask("list-clients", "-t", SESSION, "-F", "#{client_name}").strip())

    def press(self, *keys: str) -> None:
        self._ask("send-keys", "-t", SESSION, *keys)

    def submit(self, text: str) -> None:
        """Paste, then a separate Enter: an Enter inside a paste is only a new line to the agent."""
        self._ask("set-buffer", "-b", "mentu", "--", text)
        self._ask("paste-buffer", "-p", "-d", "-b", "mentu", "-t", SESSION)
        time.sleep(0.5)
        self.press("Enter")

    def screen(self) -> list[str]:
        return [line.rstrip() for line in self._ask("capture-pane", "-p", "-t", SESSION).split("\n") if line.strip()]

    def last_screen(self) -> list[str]:
        """What a program that has just ended showed last, once tmux has read all of it."""
        deadline = time.monotonic() + 2.0
        before, lines = None, self.screen()
        while (lines != before or not lines) and time.monotonic() < deadline:
            time.sleep(0.1)
            before, lines = lines, self.screen()
        return lines

    def kill(self) -> None:
        self._ask("kill-server")

    def _ask(self, *arguments: str) -> str:
        """What may fail because the session has just ended: nothing then."""
        try:
            return self._call(*arguments)
        except TmuxError:
            return ""

    def _call(self, *arguments: str) -> str:
        argv = ["tmux", "-u", "-S", self._socket, "-f", str(self._config), *arguments]
        try:
            done = self._children.run(argv, _TIMEOUT, env=self._env)
        except FileNotFoundError:
            raise TmuxError("the agent's image has no tmux in its PATH") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TmuxError(f"tmux {arguments[0]}: {error}") from None
        if done.returncode != 0:
            raise TmuxError(f"tmux {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout.decode("utf-8", "replace")


def attach_hint(namespace: str, pod: str, socket: str) -> str:
    command = f"kubectl exec -it -n {namespace} {pod} -c agent -- tmux -u -S {socket} attach"
    return f"watch and type: {command} (leave: Ctrl-B D)"
