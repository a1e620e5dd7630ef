"""What the attempts before this one have left on the volume: whether an agent has worked here, and the session that it
can go on with.

The agent may have written anything there: an id is only taken for one if it looks like one, no link is followed, and a
session that is not there is not resumed.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .config import RunConfig

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_NOTE = "session"

GO_ON = (
    "Go on with the task from where it is: this session was interrupted. "
    "Look at what is done already, then finish what is left."
)
WORKED_HERE = "An earlier attempt has worked on this task here: look at what is done already, and go on from there."


@dataclass(frozen=True)
class Earlier:
    has_worked: bool = False
    session_id: str = ""
    """Empty: there is none to go on with."""
    transcript: Path | None = None


def earlier_work(config: RunConfig) -> Earlier:
    state = Path(config.state_dir)
    if not any((state / f"attempt-{number}.started").exists() for number in range(1, config.attempt)):
        return Earlier()
    session_id = "" if config.plain else _noted(state / _NOTE)
    transcript = _transcript(Path(config.home), session_id) if session_id else None
    return Earlier(True, session_id if transcript else "", transcript)


def note_session(state_dir: str, session_id: str) -> None:
    """For the next attempt. Without it that begins a session of its own, so nothing depends on it."""
    if not _ID.match(session_id):
        return
    path = Path(state_dir) / _NOTE
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(OSError):
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(fd, "w") as file:
            file.write(session_id + "\n")
        new.replace(path)


def forget_session(state_dir: str) -> None:
    """The agent could not go on with it: the next attempt would fail in the same way."""
    with contextlib.suppress(OSError):
        (Path(state_dir) / _NOTE).unlink()


def _noted(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as file:
        text = file.read(64).decode("ascii", "replace").strip()
    return text if _ID.match(text) else ""


def _transcript(home: Path, session_id: str) -> Path | None:
    if home.is_symlink():
        return None
    found = sorted((home / ".claude" / "projects").glob(f"*/{session_id}.jsonl"))
    return next((path for path in found if path.is_file() and not path.is_symlink()), None)
