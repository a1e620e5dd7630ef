"""`kubectl port-forward` to the gateway as a child process: started with a deadline, ended whatever happens."""

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

from bugcommand_operator.cli.errors import Unreachable
from bugcommand_operator.cli.kubectl import Kubectl, error_of

READY_SECONDS = 20.0
_END_SECONDS = 3.0
_FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class PortForward:
    """A port of this machine that leads to a Service, until `close`."""

    def __init__(self, kubectl: Kubectl, namespace: str, service: str, port: int) -> None:
        target = f"service/{service}"
        self._command = kubectl.command("port-forward", "--address=127.0.0.1", target, f":{port}", namespace=namespace)
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def open(self, seconds: float = READY_SECONDS) -> int:
        """The local port. Raises what kept it from being opened, in kubectl's words."""
        with tempfile.TemporaryFile("w+") as said:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                preexec_fn=_dying_with_parent(),  # noqa: PLW1509 (one system call, loaded before)
            )
            self.port = _port_of(self._process.stdout, seconds)
            if self.port:
                return self.port
            was_slow = not _has_ended(self._process)
            self.close()
            said.seek(0)
            text = said.read()
        if was_slow or not text.strip():
            raise Unreachable(f"kubectl port-forward was not ready within {seconds:.0f} s", "Is the gateway's pod up?")
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


def _port_of(stdout: IO[str] | None, seconds: float) -> int:
    """The port that kubectl says it listens on; 0 when it ended or said nothing in time. A thread goes on reading,
    so that kubectl, which tells of each connection, never waits for a reader."""
    found: list[int] = []
    ready = threading.Event()
    threading.Thread(target=_read, args=(stdout, found, ready), name="port-forward", daemon=True).start()
    ready.wait(seconds)
    return found[0] if found else 0


def _has_ended(process: "subprocess.Popen[str]") -> bool:
    """Whoever ends closes its output a moment earlier."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _read(stream: IO[str] | None, found: list[int], ready: threading.Event) -> None:
    with suppress(OSError, ValueError):
        for line in stream or ():
            if not found and (match := _FORWARDING.match(line)):
                found.append(int(match[1]))
                ready.set()
    ready.set()


def _dying_with_parent() -> Callable[[], object] | None:
    """So that even a killed parent leaves no kubectl behind, where the system can do that."""
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return lambda: prctl(_DIE_WITH_PARENT, signal.SIGTERM)
