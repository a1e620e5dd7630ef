"""The terminal: a bar for what takes long, colours only on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from dev.demo import render


class ExpectedTime(ProgressColumn):
    """A bar that fills with the time a step usually takes; only the step's end makes it full."""

    def render(self, task: Task) -> ProgressBar:
        total = task.total or 1
        return ProgressBar(total=total, completed=min(task.elapsed or 0, total * 0.97), width=24)


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    @property
    def log_width(self) -> int:
        """Long lines are cut where they would wrap; a file gets them whole."""
        return self.console.width - 8 if self.console.is_terminal else 0

    def show(self, what: RenderableType = "") -> None:
        self.console.print(what)

    def title(self, text: str) -> None:
        self.console.print(Text(f"\n{text}", style="bold"))

    @contextmanager
    def step(self, title: str, expected: float) -> Iterator[None]:
        """Says that a step began, how long it has taken, and how it ended."""
        started = time.monotonic()
        try:
            with self._bar(title, expected):
                yield
        except BaseException:
            self.show(render.failed_line(title, time.monotonic() - started))
            raise
        self.show(render.done_line(title, time.monotonic() - started))

    @contextmanager
    def _bar(self, title: str, expected: float) -> Iterator[None]:
        if not self.console.is_terminal:
            self.show(f"… {title}")
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), ExpectedTime(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            progress.add_task(title, total=expected)
            yield
