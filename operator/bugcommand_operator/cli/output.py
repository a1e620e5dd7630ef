"""Standard output and standard error: text that always can be written, colours on terminals only."""

import os
import sys
from typing import TextIO

from bugcommand_operator.cli.errors import CliError
from bugcommand_operator.cli.safe_text import visible


def prepare() -> None:
    """Whatever the locale, a character that it lacks is shown as an escape and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


safe = visible


def note(text: str) -> None:
    """A word beside the lines. Never among them: standard output may go to a program."""
    _tell("", "2", text)


def tell(error: CliError) -> None:
    _tell("error: ", "1;31", str(error))
    if error.hint:
        _tell("", "2", error.hint)


def _tell(start: str, style: str, text: str) -> None:
    shown = f"{start}{visible(text)}"
    print(f"\x1b[{style}m{shown}\x1b[0m" if is_coloured(sys.stderr) else shown, file=sys.stderr, flush=True)  # noqa: T201


def discard_output() -> None:
    """Nobody reads it any more: what is still buffered must not fail when the interpreter ends."""
    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), sys.stdout.fileno())
