"""A program of kubectl's that runs beside this one: started with a deadline, ended whatever happens."""

import ctypes
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from bugcommand_operator.cli.errors import CliError, Unreachable
from bugcommand_operator.cli.kubectl import error_of

READY_SECONDS = 20.0
_END_SECONDS = 3.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Child:
    """It is ready when it says what `ready` matches; `hint` is for when it never does."""

    def __init__(self, command: list[str], ready: re.Pattern[str], hint: str) -> None:
        self._command, self._ready, self._hint = command, ready, hint
        self._name = next((f"kubectl {word}" for word in command[1:] if not word.startswith("-")), command[0])
        self._process: subprocess.Popen[str] | None = None

    def open(self, seconds: float = READY_SECONDS) -> str:
        """The first group of what it said. Raises what kept it from being ready, in kubectl's words."""
        with tempfile.TemporaryFile("w+") as said:
            self._process = self._started(said)
            found = _first_match(self._process.stdout, self._ready, seconds)
            if found is not None:
                return found
            was_slow = not _has_ended(self._process)
            self.close()
            said.seek(0)
            text = said.read()
        if was_slow or not text.strip():
            raise Unreachable(f"{self._name} was not ready within {seconds:.0f} s", self._hint)
        raise error_of(text)

    @property
    def is_open(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_SECONDS)
        if process.stdout is not None:
            process.stdout.close()

    def _started(self, said: IO[str]) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                preexec_fn=_dying_with_parent(),  # noqa: PLW1509 (one system call, loaded before)
            )
        except FileNotFoundError as error:
            raise CliError("kubectl was not found", "Install kubectl: this is a plugin of it.") from error
        except OSError as error:
            raise CliError(f"{self._name} could not be started: {error}") from error


def _first_match(stdout: IO[str] | None, ready: re.Pattern[str], seconds: float) -> str | None:
    """None when it ended or said nothing in time. A thread goes on reading, so that a child that tells of each
    connection never waits for a reader."""
    found: list[str] = []
    is_ready = threading.Event()
    threading.Thread(target=_read, args=(stdout, ready, found, is_ready), name="child", daemon=True).start()
    is_ready.wait(seconds)
    return found[0] if found else None


def _has_ended(process: "subprocess.Popen[str]") -> bool:
    """Whoever ends closes its output a moment earlier."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _read(stream: IO[str] | None, ready: re.Pattern[str], found: list[str], is_ready: threading.Event) -> None:
    with suppress(OSError, ValueError):
        for line in stream or ():
            if not found and (match := ready.match(line)):
                found.append(match[1])
                is_ready.set()
    is_ready.set()


def _dying_with_parent() -> Callable[[], object] | None:
    """So that even a killed parent leaves no kubectl behind, where the system can do that."""
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return lambda: prctl(_DIE_WITH_PARENT, signal.SIGTERM)
