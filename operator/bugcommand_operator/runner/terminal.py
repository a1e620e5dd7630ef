"""Terminal mode: the agent works in tmux, where a person can watch and type; its work is told from its transcript.

One loop, up to twenty passes a second: read what is new, look at what is known, decide (`end_of_work`), act.
What the agent can write (hooks, transcript, exit file) is only believed about itself: whom to signal comes from tmux
and /proc.
"""

from __future__ import annotations

import json
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .end_of_work import Limits, Observed, Step, next_step, turn_is_over
from .journal import STDERR
from .model_errors import ModelError
from .outcome import Outcome
from .processes import descendants_of, is_alive, send_all
from .session import Session, outcome_of
from .sources import Sources
from .tmux import Tmux

TICK = 0.05
LOOK_EVERY = 1.0
WATCHERS_EVERY = 0.5
UNEXPLAINED_AFTER = 45.0
HURRIED_GRACE = 2.0
GO_ON = "The connection to the model was lost for a moment. Continue with the task."


class Terminal:
    def __init__(self, session: Session, argv: list[str], events: Path) -> None:
        self._session = session
        self._journal = session.journal
        self._argv = argv
        self._exit_file = session.scratch / "exit.json"
        self._tmux = Tmux(session.children, session.config.socket, session.scratch, session.env)
        self._sources = Sources(session, events)
        self._launcher = self._server = 0
        self._seen = Observed(last_growth=time.monotonic())
        self._looked = self._asked_who_watches = 0.0
        self._explained = False
        self._ending: str | None = None
        self._hurried = False  # a limit was reached when it had been asked to leave already
        self._asked_for: ModelError | None = None

    def run(self) -> Outcome:
        self._start()
        while True:
            step = self._decide()
            if step is Step.FINISHED:
                return self._finish()
            self._act(step)
            self._wait()

    # Start and end

    def _start(self) -> None:
        self._exit_file.unlink(missing_ok=True)
        path = self._session.scratch / "launch.json"
        stderr, shown = self._sources.stderr, self._sources.shown
        cwd = self._session.config.cwd
        spec = {"argv": self._argv, "cwd": cwd, "stderr": str(stderr.path), "exitFile": str(self._exit_file)}
        if self._sources.output:
            spec["mark"] = self._sources.mark + "\n"
        path.write_text(json.dumps(spec))
        launcher = str(Path(__file__).with_name("launch.py"))
        argv = [sys.executable, "-I", "-S", launcher, str(path)]
        self._launcher, self._server = self._tmux.start(argv, cwd, shown)

    def _finish(self) -> Outcome:
        self._sources.settle()
        code = self._exit_code()
        asked = self._seen.asked_first is not None
        unexplained = code != 0 and not asked and not self._journal.last_stderr and not self._session.config.plain
        screen = self._tmux.last_screen() if unexplained else []
        self._tmux.kill()
        self._session.children.end_all(1.0)
        self._sources.finish()
        self._journal.write_block(STDERR, screen[-20:])
        return outcome_of(self._session, code, self._ending, asked, self._asked_for or self._error())

    def _exit_code(self) -> int:
        deadline = time.monotonic() + 1.0
        while not self._exit_file.exists() and time.monotonic() < deadline and is_alive(self._launcher):
            time.sleep(TICK)
        try:
            code = json.loads(self._exit_file.read_text())["code"]
            return code if isinstance(code, int) and 0 <= code <= 255 else 1
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 1

    # One pass

    def _decide(self) -> Step:
        now = time.monotonic()
        if self._sources.read():
            self._seen = replace(self._seen, last_growth=now)
        self._notice_limits(now)
        self._observe(now)
        limits = self._limits()
        if self._seen.asked_first is None and turn_is_over(self._seen, limits, now):
            self._see_who_watches(now)
        return next_step(self._seen, limits, now)

    def _notice_limits(self, now: float) -> None:
        """What has finished is not ended by its timeout any more; it only has less time to leave."""
        limit = self._session.ending(now)
        if self._seen.asked_first is None:
            self._ending = self._ending or limit
        elif limit and not self._ending:
            self._hurried = True

    def _observe(self, now: float) -> None:
        told, transcript = self._sources.hooks, self._session.transcript
        stopped = told.stopped_at is not None and transcript.last_tool_at <= told.stopped_at
        error = self._error()
        self._seen = replace(
            self._seen,
            exited=self._exit_file.exists() or self._is_gone(now),
            must_end=self._ending is not None,
            stopped=stopped,
            seems_stopped=transcript.turn_ended,
            background=told.background,
            open_tools=0 if stopped else len(transcript.open_tools),
            error=error,
            error_since=self._error_since(error, stopped, now),
            resends=0 if stopped and error is None else self._seen.resends,
        )

    def _error(self) -> ModelError | None:
        return self._session.transcript.error or self._sources.hooks.error

    def _error_since(self, error: ModelError | None, stopped: bool, now: float) -> float | None:
        """Since when the model has failed without one turn that ended well in between."""
        if error is None:
            return None if stopped else self._seen.error_since
        return now if self._seen.error_since is None else self._seen.error_since

    def _is_gone(self, now: float) -> bool:
        """The launcher or the terminal was killed, so nobody may tell how the agent ended."""
        if now - self._looked < LOOK_EVERY:
            return False
        self._looked = now
        self._session.children.reap()
        self._sources.look()
        self._explain_silence(now)
        return not (is_alive(self._launcher) and is_alive(self._server))

    def _explain_silence(self, now: float) -> None:
        """An agent that has said nothing may be showing a question that nobody sees."""
        late = now - self._session.started > UNEXPLAINED_AFTER
        if late and not self._explained and not self._sources.began:
            self._explained = True
            self._journal.note("the agent has not begun; its screen shows:", problem=True)
            self._journal.write_block(STDERR, self._tmux.screen()[-30:])

    def _see_who_watches(self, now: float) -> None:
        if not self._seen.attached or now - self._asked_who_watches >= WATCHERS_EVERY:
            self._asked_who_watches = now
            self._seen = replace(self._seen, attached=self._tmux.attached())

    def _wait(self) -> None:
        ready, _, _ = select.select(self._sources.fds(), [], [], TICK)
        if ready:
            time.sleep(0.01)  # let a burst become one read

    # Acting

    def _act(self, step: Step) -> None:
        actions: dict[Step, Callable[[float], None]] = {
            Step.ASK: self._ask,
            Step.RESEND: self._resend,
            Step.TERM: self._term,
            Step.KILL: self._kill,
        }
        if step in actions:
            actions[step](time.monotonic())

    def _ask(self, now: float) -> None:
        first = self._seen.asked_first
        if first is None:
            self._asked_for = None if self._ending else self._seen.error
        self._seen = replace(
            self._seen, asked_first=now if first is None else first, asked_last=now, asks=self._seen.asks + 1
        )
        self._tmux.press("C-c")

    def _resend(self, now: float) -> None:
        self._journal.note("the model did not answer; telling the agent to go on")
        self._seen = replace(self._seen, last_resend=now, resends=self._seen.resends + 1)
        self._tmux.submit(GO_ON)

    def _term(self, now: float) -> None:
        self._seen = replace(self._seen, termed_at=now)
        send_all(descendants_of(self._launcher), signal.SIGTERM)

    def _kill(self, _now: float) -> None:
        self._seen = replace(self._seen, killed=True)
        send_all(descendants_of(self._launcher), signal.SIGKILL)

    def _limits(self) -> Limits:
        config = self._session.config
        return Limits(
            quiet=config.quiet_seconds,
            exit_grace=min(self._session.exit_grace(), HURRIED_GRACE if self._hurried else float("inf")),
            background=config.background_seconds,
            patience=config.patience_seconds,
            inferred_quiet=config.inferred_quiet_seconds,
        )
