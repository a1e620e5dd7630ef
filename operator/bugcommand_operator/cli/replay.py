"""`kubectl bug replay`: plays a recording, or saves it as the file that it is."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import CliError, Usage
from bugcommand_operator.cli.player import Pace, Player
from bugcommand_operator.cli.recording import Header, Recordings, read_cast


def play(recordings: Recordings, attempt: int | None, pace: Pace) -> None:
    from bugcommand_operator.cli.terminal import opened

    header, events = read_cast(recordings.parts(attempt or recordings.latest()))
    _tell_size(header)
    with opened() as terminal:
        Player(terminal, pace).play(events)


def check_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Usage("a recording is played on a terminal only", "Save it with `-o cast FILE` instead.")


def save(recordings: Recordings, attempt: int | None, file: str) -> None:
    """Byte for byte; a file appears only once it is whole."""
    if file in ("", "-"):
        if sys.stdout.isatty():
            raise Usage("a recording is not written to a terminal", "Name a file: -o cast FILE.")
        for part in recordings.parts(attempt or recordings.latest()):
            sys.stdout.buffer.write(_encoded(part))
        sys.stdout.flush()
        return
    _save_file(recordings.parts(attempt or recordings.latest()), Path(file))


def _save_file(parts: Iterator[str], path: Path) -> None:
    """For its owner alone: a session may show what is not for everybody."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
            with path.open("wb") as out:
                out.writelines(map(_encoded, parts))
            return
        _replace(parts, path)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from error
    output.note(f"saved to {path}")


def _replace(parts: Iterator[str], path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:100]}.", delete=False) as out:
        try:
            out.writelines(map(_encoded, parts))
            out.flush()
            Path(out.name).replace(path)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise


def _encoded(part: str) -> bytes:
    return part.encode("utf-8", "replace")


def _tell_size(header: Header) -> None:
    size = shutil.get_terminal_size()
    if header.width > size.columns or header.height > size.lines:
        output.note(
            f"recorded at {header.width}x{header.height}, this terminal has {size.columns}x{size.lines}: "
            "enlarge it if the picture is broken"
        )
