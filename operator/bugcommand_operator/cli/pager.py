"""A program's differences on a terminal: safe, coloured, through the person's pager; into a pipe byte for byte."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import CliError
from bugcommand_operator.cli.kubectl import error_of
from bugcommand_operator.cli.safe_text import visible

_BOLD, _RED, _GREEN, _CYAN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
_HEADS = ("diff ", "index ", "--- ", "+++ ", "new file", "deleted file", "rename ", "similarity ")


def show(command: list[str], *, is_kubectl: bool = False) -> None:
    """Raises what the program ended with, in its own last words."""
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        if sys.stdout.isatty():
            code = _paged(command, said)
        else:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=said, check=False).returncode
        said.seek(0)
        text = said.read()
    if code != 0:
        raise error_of(text) if is_kubectl else CliError(_last_line(text) or f"{command[0]} ended with {code}")


def _paged(command: list[str], said: IO[str]) -> int:
    style = _coloured if output.is_coloured(sys.stdout) else visible
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as program:
        try:
            with _pager() as out:
                _copy(program.stdout, out, style)
        except BrokenPipeError:
            program.kill()  # who has seen enough does not wait for the rest
            return 0
        return program.wait()


def _copy(lines: IO[bytes] | None, out: IO[str], style: Callable[[str], str]) -> None:
    for line in lines or ():
        out.write(style(line.decode("utf-8", "replace").rstrip("\n")) + "\n")


@contextmanager
def _pager() -> Iterator[IO[str]]:
    """The one that git would use; none when there is none."""
    named = _named()
    if not named:
        yield sys.stdout
        sys.stdout.flush()
        return
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    with subprocess.Popen(["sh", "-c", named], stdin=subprocess.PIPE, text=True, env=environment) as pager:
        if pager.stdin is None:
            return
        try:
            yield pager.stdin
        finally:
            with suppress(BrokenPipeError):
                pager.stdin.close()
            pager.wait()


def _named() -> str:
    """git names its default also where that is not installed."""
    try:
        said = subprocess.run(["git", "var", "GIT_PAGER"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
    program = said.partition(" ")[0]
    return said if said != "cat" and ("=" in program or shutil.which(program)) else ""


def _coloured(line: str) -> str:
    text = visible(line)
    if line.startswith(_HEADS):
        return f"{_BOLD}{text}{_PLAIN}"
    colour = {"+": _GREEN, "-": _RED, "@": _CYAN}.get(line[:1])
    return f"{colour}{text}{_PLAIN}" if colour else text


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return visible(lines[-1])[:500] if lines else ""
