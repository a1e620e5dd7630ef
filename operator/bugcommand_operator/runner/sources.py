"""Where a terminal agent's lines come from: its transcript, its stderr, its hooks; or the terminal's own output.

Reads what is new and writes it to the journal. While the spool is full only the hooks are read: what the agent
writes then waits in its files, and its stderr in the pipe, until lines were stored.
"""

from __future__ import annotations

import select
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from . import hooks
from .fifo import Drain, Fifo
from .follow import Follow, SessionFiles
from .journal import STDERR, STDOUT
from .session import Session

COPIED_WITHIN = 5.0
READ_WITHIN = 60.0
"""What an agent has left is read for so long: keeping its work comes after it."""


class Sources:
    def __init__(self, session: Session, events: Path) -> None:
        self._session = session
        self._journal = session.journal
        self._hook_file = Follow(events)
        self._files = SessionFiles(Path(session.config.home))
        self._said_full = False
        self._marked = False
        self.mark = f"\x1b]777;mentu-{uuid.uuid4()}\x07"  # shown last in the terminal; nobody sees it
        self.hooks = hooks.HookState()
        self.stderr = Fifo(session.scratch / "stderr", STDERR)
        tap = session.recorder.feed if session.recorder else _ignore
        self.output = Fifo(session.scratch / "stdout", STDOUT, tap) if session.config.plain else None
        is_only_recorded = session.recorder is not None and self.output is None
        self._recorded = Drain(session.scratch / "stdout", STDOUT, tap) if is_only_recorded else None

    @property
    def shown(self) -> Path | None:
        """Where what the terminal shows is to be copied to, if anybody wants it."""
        pipe = self.output or self._recorded
        return pipe.path if pipe else None

    @property
    def began(self) -> bool:
        return self._files.any_new or self.hooks.prompted or self.output is not None

    def look(self) -> None:
        """Notice files that are new: a session that was cleared or compacted, a subagent."""
        self._files.look()

    def read(self) -> bool:
        """True if the agent moved."""
        told = self._read_hooks()
        self._record()
        if self._journal.full:
            self._say_full()
            return True
        self._said_full = False
        if not self._files.any_new:
            self._files.look()
        moved = self._read_transcripts()
        return self._read_fifos() or moved or told

    def settle(self) -> None:
        """Wait for what the terminal still has to copy of an agent that has just left."""
        deadline = time.monotonic() + COPIED_WITHIN
        while self.output is not None and not self._marked and time.monotonic() < deadline:
            select.select([self.output.fd], [], [], 0.1)
            self._read_fifos()

    def finish(self) -> None:
        """Everything that is left, full or not: the agent is gone."""
        self._read_hooks()
        self._files.look()
        self._read_to_the_end()
        for fifo in self._fifos():
            self._journal.write_block(fifo.stream, self._without_mark(fifo.close()))
        self._end_recording()

    def _read_to_the_end(self) -> None:
        session, began = self._session, time.monotonic()

        def is_over() -> bool:
            most = READ_WITHIN if session.terminate_at is None else session.exit_grace()
            return time.monotonic() - began >= most

        before = -1
        while self._files.position != before:
            before = self._files.position
            self._read_transcripts(is_over)
            if is_over():
                self._journal.note("the transcript is too long to be read to its end", problem=True)
                return

    def _end_recording(self) -> None:
        if self._recorded is not None:
            self._recorded.close()
        if self._session.recorder is not None:
            self._session.recorder.close()

    def _record(self) -> None:
        """Also while nothing else is read: what tmux cannot copy it would keep in its memory."""
        if self._recorded is not None:
            self._recorded.read()
        if self._session.recorder is not None:
            self._session.recorder.tick()

    def fds(self) -> list[int]:
        return [] if self._journal.full else [fifo.fd for fifo in self._fifos()]

    def _fifos(self) -> list[Fifo]:
        return [self.stderr] if self.output is None else [self.stderr, self.output]

    def _read_hooks(self) -> bool:
        """A hook counts as a move: what led to it may reach the transcript a moment later."""
        before = self.hooks
        for line in self._hook_file.lines():
            self.hooks = hooks.fold(self.hooks, hooks.parse(line), self._hook_file.modified)
        self._session.agent_session = self.hooks.session_id or self._session.agent_session
        return self.hooks is not before

    def _read_transcripts(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        moved = False
        if self.output is not None:
            return moved
        for line, mark in self._files.lines():
            shown = self._session.transcript.read(hooks.parse(line), mark)
            self._journal.write_block(STDOUT, shown)
            moved = moved or bool(shown)
            if is_over():
                break
        return moved

    def _read_fifos(self) -> bool:
        moved = False
        for fifo in self._fifos():
            lines = self._without_mark(fifo.read())
            self._journal.write_block(fifo.stream, lines)
            moved = moved or bool(lines)
        return moved

    def _without_mark(self, lines: list[str]) -> list[str]:
        found: list[str] = []
        for line in lines:
            if self.mark not in line:
                found.append(line)
                continue
            self._marked = True
            before = line.replace(self.mark, "").strip("\r")
            found += [before] if before else []
        return found

    def _say_full(self) -> None:
        if not self._said_full:
            self._said_full = True
            self._journal.note("the log spool is full; reading goes on when lines were stored", problem=True)


def _ignore(_data: bytes) -> None:
    """Nobody listens."""
