"""Terminal mode: the agent works in tmux, where a person can watch and type; its work is told from its transcript.

One loop, ten to twenty passes a second: read what grew, look at what the hooks told, decide (`end_of_work`), act.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from . import hooks
from .end_of_work import Limits, Observed, Step, next_step, turn_is_over
from .follow import Follow, SessionFiles
from .journal import STDERR, STDOUT
from .lines import LineBuffer
from .model_errors import ModelError
from .outcome import Outcome
from .processes import send_group
from .session import Session, outcome_of
from .tmux import Tmux

TICK = 0.05
LOOK_EVERY = 1.0
UNEXPLAINED_AFTER = 45.0
GO_ON = "The connection to the model was lost for a moment. Continue with the task."


class Fifo:
    """A named pipe whose reader never sees an end while its writers come and go."""

    def __init__(self, path: Path, stream: str) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self.path, self.stream = path, stream
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffer = LineBuffer()

    def read(self) -> list[str]:
        try:
            return self._buffer.feed(os.read(self.fd, 1 << 18))
        except BlockingIOError:
            return []

    def close(self) -> list[str]:
        found: list[str] = []
        for _ in range(64):
            more = self.read()
            found += more
            if not more:
                break
        os.close(self.fd)
        return found + self._buffer.flush()


class Terminal:
    def __init__(self, session: Session, argv: list[str], events: Path) -> None:
        self._session = session
        self._journal = session.journal
        self._plain = session.config.plain
        self._tmux = Tmux(session.children, session.config.socket, session.scratch, session.env)
        self._argv = argv
        self._exit_file = session.scratch / "exit.json"
        self._pid_file = session.scratch / "pid.json"
        self._hooks = hooks.HookState()
        self._hook_file = Follow(events)
        self._files = SessionFiles(Path(session.config.home))
        self._fifos = [Fifo(session.scratch / "stderr", STDERR)]
        self._seen = Observed(last_growth=time.monotonic())
        self._looked = 0.0
        self._explained = False
        self._said_full = False
        self._ending: str | None = None
        self._asked_for: ModelError | None = None

    def run(self) -> Outcome:
        self._start()
        while True:
            step = self._pass()
            if step is Step.FINISHED:
                return self._finish()
            self._act(step)
            self._wait()

    # Start and end

    def _start(self) -> None:
        spec = {
            "argv": self._argv,
            "cwd": self._session.config.cwd,
            "stderr": str(self._fifos[0].path),
            "pidFile": str(self._pid_file),
            "exitFile": str(self._exit_file),
        }
        for stale in (self._exit_file, self._pid_file):
            stale.unlink(missing_ok=True)
        path = self._session.scratch / "launch.json"
        path.write_text(json.dumps(spec))
        if self._plain:
            self._fifos.append(Fifo(self._session.scratch / "stdout", STDOUT))
        launcher = str(Path(__file__).with_name("launch.py"))
        self._tmux.start([sys.executable, "-I", "-S", launcher, str(path)], self._session.config.cwd)
        if self._plain:
            self._tmux.pipe_output(self._fifos[1].path)

    def _finish(self) -> Outcome:
        told = _read_json(self._exit_file).get("code")
        code = told if isinstance(told, int) else 1
        screen = self._tmux.screen()
        self._tmux.kill()
        self._session.children.end_all(1.0)
        self._read(everything=True)
        for fifo in self._fifos:
            self._journal.write_block(fifo.stream, fifo.close())
        asked = self._seen.asked_first is not None
        if code != 0 and not asked and not self._plain:
            self._journal.write_block(STDERR, screen[-20:])
        return outcome_of(self._session, code, self._ending, asked, self._asked_for or self._error())

    # One pass

    def _pass(self) -> Step:
        now = time.monotonic()
        if self._read():
            self._seen = replace(self._seen, last_growth=now)
        self._ending = self._ending or self._session.ending(now)
        self._observe(now)
        limits = self._limits()
        if turn_is_over(self._seen, limits, now) and self._seen.asked_first is None:
            self._seen = replace(self._seen, attached=self._tmux.attached())
        return next_step(self._seen, limits, now)

    def _observe(self, now: float) -> None:
        state, transcript = self._hooks, self._session.transcript
        stopped = state.stopped_at is not None and transcript.last_tool_at <= state.stopped_at
        error = self._error()
        self._seen = replace(
            self._seen,
            exited=self._exit_file.exists() or self._pane_is_gone(now),
            must_end=self._ending is not None,
            stopped=stopped,
            seems_stopped=transcript.turn_ended and not self._plain,
            background=state.background,
            open_tools=0 if stopped else len(transcript.open_tools),
            error=error if stopped or transcript.turn_ended else None,
            error_since=self._error_since(error, stopped, now),
        )

    def _error(self) -> ModelError | None:
        return self._session.transcript.error or self._hooks.error

    def _error_since(self, error: ModelError | None, stopped: bool, now: float) -> float | None:
        """Since when the model has failed without one answer in between."""
        if error is not None:
            return self._seen.error_since if self._seen.error_since is not None else now
        if stopped and self._hooks.error is None:
            self._seen = replace(self._seen, resends=0)
            return None
        return self._seen.error_since

    def _pane_is_gone(self, now: float) -> bool:
        """The launcher was killed, so nobody will tell how the agent ended."""
        if now - self._looked < LOOK_EVERY:
            return False
        self._looked = now
        self._session.children.reap()
        self._files.look()
        self._explain(now)
        pid = _read_json(self._pid_file).get("pid")
        return isinstance(pid, int) and not Path(f"/proc/{pid}").exists() and not self._exit_file.exists()

    def _explain(self, now: float) -> None:
        """An agent that says nothing may be showing a question that nobody sees."""
        silent = not self._files.any_new and not self._hooks.prompted and not self._plain
        if silent and not self._explained and now - self._session.started > UNEXPLAINED_AFTER:
            self._explained = True
            self._journal.note("the agent has not begun; its screen shows:", problem=True)
            self._journal.write_block(STDERR, self._tmux.screen()[-30:])

    # Reading

    def _read(self, everything: bool = False) -> bool:
        """Read what is new; True if the agent moved. While the spool is full nothing is read but its hooks."""
        self._read_hooks()
        if self._journal.full and not everything:
            self._say_full()
            return True
        self._said_full = False
        if not self._files.any_new or everything:
            self._files.look()
        moved = self._read_transcripts()
        while everything and self._read_transcripts():
            pass
        return self._read_fifos() or moved

    def _read_hooks(self) -> None:
        for line in self._hook_file.lines():
            before = self._hooks
            self._hooks = hooks.fold(before, hooks.parse(line), self._hook_file.modified)
            self._session.agent_session = self._hooks.session_id or self._session.agent_session

    def _read_transcripts(self) -> bool:
        moved = False
        if self._plain:
            return moved
        for line, mark in self._files.lines():
            shown = self._session.transcript.read(hooks.parse(line), mark)
            self._journal.write_block(STDOUT, shown)
            moved = moved or bool(shown)
        return moved

    def _read_fifos(self) -> bool:
        moved = False
        for fifo in self._fifos:
            lines = fifo.read()
            self._journal.write_block(fifo.stream, lines)
            moved = moved or bool(lines)
        return moved

    def _say_full(self) -> None:
        if not self._said_full:
            self._said_full = True
            self._journal.note("the log spool is full; reading goes on when lines were stored", problem=True)

    def _wait(self) -> None:
        readers = [] if self._journal.full else [fifo.fd for fifo in self._fifos]
        with contextlib.suppress(InterruptedError):
            ready, _, _ = select.select(readers, [], [], TICK)
            if ready:
                time.sleep(0.01)  # let a burst become one read

    # Acting

    def _act(self, step: Step) -> None:
        now = time.monotonic()
        actions: dict[Step, Callable[[float], None]] = {
            Step.ASK: self._ask,
            Step.RESEND: self._resend,
            Step.TERM: self._term,
            Step.KILL: self._kill,
        }
        if step in actions:
            actions[step](now)

    def _ask(self, now: float) -> None:
        if self._seen.asked_first is None:
            self._asked_for = None if self._ending else self._seen.error
        first = self._seen.asked_first if self._seen.asked_first is not None else now
        self._seen = replace(self._seen, asked_first=first, asked_last=now, asks=self._seen.asks + 1)
        self._tmux.press("C-c")

    def _resend(self, now: float) -> None:
        self._journal.note("the model did not answer; telling the agent to go on")
        self._seen = replace(self._seen, last_resend=now, resends=self._seen.resends + 1)
        self._tmux.submit(GO_ON)

    def _term(self, now: float) -> None:
        self._seen = replace(self._seen, termed_at=now)
        self._signal(signal.SIGTERM)

    def _kill(self, _now: float) -> None:
        self._seen = replace(self._seen, killed=True)
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        pid = _read_json(self._pid_file).get("pid")
        if isinstance(pid, int):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                send_group(os.getpgid(pid), number)

    def _limits(self) -> Limits:
        config = self._session.config
        return Limits(
            quiet=config.quiet_seconds,
            exit_grace=self._session.exit_grace(),
            background=config.background_seconds,
            patience=config.patience_seconds,
            inferred_quiet=config.inferred_quiet_seconds,
        )


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
