"""Where a terminal agent's lines come from: its transcript, its stderr, its hooks; or the terminal's own output.

Reads what is new and writes it to the journal. While the spool is full only the hooks are read: what the agent
writes then waits in its files, and its stderr in the pipe, until lines were stored.
"""

from __future__ import annotations

from pathlib import Path

from . import hooks
from .fifo import Fifo
from .follow import Follow, SessionFiles
from .journal import STDERR, STDOUT
from .session import Session


class Sources:
    def __init__(self, session: Session, events: Path) -> None:
        self._session = session
        self._journal = session.journal
        self._hook_file = Follow(events)
        self._files = SessionFiles(Path(session.config.home))
        self._said_full = False
        self.hooks = hooks.HookState()
        self.stderr = Fifo(session.scratch / "stderr", STDERR)
        self.output = Fifo(session.scratch / "stdout", STDOUT) if session.config.plain else None

    @property
    def began(self) -> bool:
        return self._files.any_new or self.hooks.prompted or self.output is not None

    def look(self) -> None:
        """Notice files that are new: a session that was cleared or compacted, a subagent."""
        self._files.look()

    def read(self) -> bool:
        """True if the agent moved."""
        told = self._read_hooks()
        if self._journal.full:
            self._say_full()
            return True
        self._said_full = False
        if not self._files.any_new:
            self._files.look()
        moved = self._read_transcripts()
        return self._read_fifos() or moved or told

    def settle(self) -> None:
        """What the terminal still shows when the agent has just left."""
        if self.output is not None:
            self._journal.write_block(STDOUT, self.output.settle(0.2, 2.0))

    def finish(self) -> None:
        """Everything that is left, full or not: the agent is gone."""
        self._read_hooks()
        self._files.look()
        while self._read_transcripts():
            pass
        for fifo in self._fifos():
            self._journal.write_block(fifo.stream, fifo.close())

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

    def _read_transcripts(self) -> bool:
        moved = False
        if self.output is not None:
            return moved
        for line, mark in self._files.lines():
            shown = self._session.transcript.read(hooks.parse(line), mark)
            self._journal.write_block(STDOUT, shown)
            moved = moved or bool(shown)
        return moved

    def _read_fifos(self) -> bool:
        moved = False
        for fifo in self._fifos():
            lines = fifo.read()
            self._journal.write_block(fifo.stream, lines)
            moved = moved or bool(lines)
        return moved

    def _say_full(self) -> None:
        if not self._said_full:
            self._said_full = True
            self._journal.note("the log spool is full; reading goes on when lines were stored", problem=True)
