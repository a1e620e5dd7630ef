"""Shows a BugCommand as it goes: its phases, its log, its times."""

from __future__ import annotations

import time

from dev.demo import progress, render
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl, Manifest
from dev.demo.progress import News, Seen, Timeline
from dev.demo.screen import Screen
from dev.demo.settings import Deadlines, Settings


class Watch:
    """What was seen of one command so far."""

    def __init__(self, screen: Screen, name: str, applied: float) -> None:
        self.screen = screen
        self.name = name
        self.seen = Seen(Timeline(applied))
        self.command: Manifest = {}

    def follow(self, kubectl: Kubectl, settings: Settings, deadlines: Deadlines) -> None:
        """Returns once the command has ended, whatever came of it."""
        seconds = deadlines.command if settings.replay else deadlines.paid_command
        for command in kubectl.watch("bugcommand", self.name, seconds):
            now = time.monotonic()
            if command is not None:
                self._show(command, now)
            if progress.finished(self.seen):
                return
            if self.seen.timeline.claimed is None and now - self.seen.timeline.applied > deadlines.claim:
                raise DemoError(
                    f"no executor claimed the command within {deadlines.claim:.0f} s", "is the operator running?"
                )
        raise DemoError(f"the command did not end within {seconds:.0f} s")

    def _show(self, command: Manifest, now: float) -> None:
        self.command = command
        self.seen, news = progress.advance(self.seen, command, now)
        if news.skipped:
            self.screen.show(render.log_line(f"({news.skipped} lines that the status did not keep)"))
        for line in news.lines:
            self.screen.show(render.log_line(line, self.screen.log_width))
        if news.phase:
            self._show_phase(news, now)

    def _show_phase(self, news: News, now: float) -> None:
        self.screen.show(render.phase_line(news.phase, now - self.seen.timeline.applied, news.reason))
