"""How lines are written: text for people, one JSON object a line for programs. Pure: lines in, text out."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from bugcommand_operator.cli.lines import Line
from bugcommand_operator.cli.safe_text import json_line, visible

Style = Callable[[Line], str]
_DIM, _RED, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[0m"
STDERR_MARK = "! "


@dataclass
class TextStyle:
    """`! ` marks what came from stderr, unless only that was asked for. Colours are for terminals alone."""

    colour: bool = False
    timestamps: bool = False
    mark_stderr: bool = True
    name_attempts: bool = False
    _attempt: int = 0

    def __call__(self, line: Line) -> str:
        text = visible(line.message)
        if line.stream == "stderr" and self.mark_stderr:
            text = self._in(_RED, f"{STDERR_MARK}{text}")
        if self.timestamps:
            text = f"{self._in(_DIM, visible(line.ts))} {text}"
        return f"{self._heading(line.attempt)}{text}\n"

    def _heading(self, attempt: int) -> str:
        """A word where another attempt begins; the first one needs none when it is all there is."""
        before, self._attempt = self._attempt, attempt
        if not self.name_attempts or before == attempt or (not before and attempt == 1):
            return ""
        return self._in(_DIM, f"── attempt {attempt} ──") + "\n"

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.colour else text


@dataclass(frozen=True)
class JsonStyle:
    command_id: str

    def __call__(self, line: Line) -> str:
        return json_line({"command_id": self.command_id, **asdict(line)}) + "\n"
