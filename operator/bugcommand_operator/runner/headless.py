"""Headless mode: the agent answers one prompt and exits; its events (or plain lines) come from its own stdout.

Known to hang after its work is done, so its `result` event counts: an agent that has told its result and does not
exit in time is ended, and has finished nevertheless.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import time

from . import hooks
from .journal import STDERR, STDOUT
from .lines import LineBuffer
from .model_errors import ModelError, classify
from .outcome import Outcome
from .processes import send_group
from .session import Session, StartFailed, outcome_of

TICK = 0.1
F_SETPIPE_SZ = 1031  # in linux/fcntl.h; the module has it since Python 3.10
GATHER, GOES_ON_WITHIN, MUCH = 0.02, 0.05, 4096
PIPE_SIZE = 1 << 20  # what anybody may ask for
KILL_AFTER = 3.0
REAP_EVERY = 2.0
PIPES_OPEN_AFTER_EXIT = 2.0
MOST_READS = 10_000  # a pipe holds a megabyte at most; one that somebody still fills must not hold up the end


class Headless:
    def __init__(self, session: Session, argv: list[str]) -> None:
        self._session = session
        self._journal = session.journal
        self._argv = argv
        self._buffers = {STDOUT: LineBuffer(32 << 20 if not session.config.plain else 65536), STDERR: LineBuffer()}
        self._selector = selectors.DefaultSelector()
        self._ending: str | None = None
        self._hurried = False  # a limit was reached when it had told its result already
        self._asked_at: float | None = None
        self._killed = False
        self._result_at: float | None = None
        self._failing_since: float | None = None
        self._gave_up: ModelError | None = None
        self._exited_at: float | None = None
        self._reaped = self._read_at = 0.0
        self._came = 0
        self._said_full = False

    def run(self) -> Outcome:
        try:
            process = self._start()
        except OSError as error:
            raise StartFailed(f"{self._argv[0]}: {error.strerror}") from None
        while not self._is_over(process):
            self._read()
            self._decide(process)
        return self._finish(process)

    def _start(self) -> subprocess.Popen[bytes]:
        config = self._session.config
        process = self._session.children.start(
            self._argv,
            cwd=config.cwd,
            env=self._session.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for pipe, stream in ((process.stdout, STDOUT), (process.stderr, STDERR)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                with contextlib.suppress(OSError):  # a user's pipes are limited in all
                    fcntl.fcntl(pipe.fileno(), F_SETPIPE_SZ, PIPE_SIZE)
                self._selector.register(pipe, selectors.EVENT_READ, stream)
        return process

    def _is_over(self, process: subprocess.Popen[bytes]) -> bool:
        """It exited and its outputs were read to their ends, or are held open by something it left behind."""
        if process.poll() is None:
            return False
        now = time.monotonic()
        self._exited_at = self._exited_at if self._exited_at is not None else now
        return not self._selector.get_map() or now - self._exited_at > PIPES_OPEN_AFTER_EXIT

    def _finish(self, process: subprocess.Popen[bytes]) -> Outcome:
        self._session.children.forget(process)
        self._session.children.end_all(1.0)
        self._read_the_rest()
        for stream, buffer in self._buffers.items():
            self._lines(stream, buffer.flush())
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        result = self._session.transcript.result
        if result is not None and self._asked_at is not None and not self._ending:
            code = 1 if result.get("is_error") else 0
        error = self._gave_up or self._session.transcript.error
        return outcome_of(self._session, code, self._ending, self._gave_up is not None, error)

    # Reading

    def _read(self) -> None:
        if self._journal.full:
            if not self._said_full:
                self._said_full = True
                self._journal.note("the log spool is full; reading goes on when lines were stored", problem=True)
            time.sleep(TICK)
            return
        self._said_full = False
        if not self._selector.get_map():
            time.sleep(TICK)
            return
        with contextlib.suppress(InterruptedError):
            ready = self._selector.select(TICK)
            if ready:
                self._let_lines_gather()
            self._came = sum(self._read_pipe(key) for key, _ in ready)

    def _let_lines_gather(self) -> None:
        """Of an agent that writes line after line: waking up for each is most of what it costs. Not in a flood, when
        the pipe would be full meanwhile."""
        now = time.monotonic()
        if now - self._read_at < GOES_ON_WITHIN and self._came < MUCH:
            time.sleep(max(0.0, GATHER - (now - self._read_at)))
        self._read_at = time.monotonic()

    def _read_the_rest(self) -> None:
        """Everybody who could write is gone: what the pipes still hold is read, whether the spool is full or not."""
        for key in list(self._selector.get_map().values()):
            for _ in range(MOST_READS):
                if not self._read_pipe(key):
                    break

    def _read_pipe(self, key: selectors.SelectorKey) -> int:
        """How many bytes there were."""
        try:
            data = os.read(key.fd, 1 << 18)
        except BlockingIOError:
            return 0
        if not data:
            self._selector.unregister(key.fileobj)
            return 0
        self._lines(key.data, self._buffers[key.data].feed(data))
        return len(data)

    def _lines(self, stream: str, lines: list[str]) -> None:
        if stream != STDOUT or self._session.config.plain:
            self._journal.write_block(stream, lines)
            return
        for line in lines:
            self._event_line(stream, line)

    def _event_line(self, stream: str, line: str) -> None:
        event = hooks.parse(line)
        if not isinstance(event, dict):
            self._journal.write(stream, line)
            return
        self._session.agent_session = str(event.get("session_id") or "") or self._session.agent_session
        self._journal.write_block(STDOUT, self._session.transcript.read(event))
        self._watch_model(event)
        if event.get("type") == "result":
            self._result_at = time.monotonic()

    def _watch_model(self, event: dict[str, object]) -> None:
        if event.get("type") == "system" and event.get("subtype") == "api_retry":
            now = time.monotonic()
            self._failing_since = self._failing_since if self._failing_since is not None else now
            error = classify(str(event.get("error") or ""), event.get("error_status"), f"model: {event.get('error')}")
            waited = now - self._failing_since
            if error is not None and (not error.passing or waited > self._session.config.patience_seconds):
                self._gave_up = error
        elif event.get("type") == "assistant":
            self._failing_since = None

    # Deciding

    def _decide(self, process: subprocess.Popen[bytes]) -> None:
        now = time.monotonic()
        if now - self._reaped > REAP_EVERY:
            self._reaped = now
            self._session.children.reap()
        if process.poll() is not None:
            return
        self._notice_limits(now)
        if self._asked_at is None:
            if self._must_leave(now):
                self._asked_at = now
                send_group(process.pid, signal.SIGTERM)
        elif not self._killed and now - self._asked_at > self._kill_after():
            self._killed = True
            send_group(process.pid, signal.SIGKILL)

    def _notice_limits(self, now: float) -> None:
        """What has finished is not ended by its timeout any more; it only has less time to leave."""
        limit = self._session.ending(now)
        if self._result_at is None and self._asked_at is None:
            self._ending = self._ending or limit
        elif limit and not self._ending:
            self._hurried = True

    def _must_leave(self, now: float) -> bool:
        if self._ending or self._hurried or self._gave_up is not None:
            return True
        return self._result_at is not None and now - self._result_at > self._session.config.exit_grace_seconds

    def _kill_after(self) -> float:
        return max(KILL_AFTER, self._session.exit_grace()) if self._ending else KILL_AFTER
