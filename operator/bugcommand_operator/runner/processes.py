"""Own every process that the agent starts, however it detaches: none outlives the run, none stays a zombie.

As PID 1 (or as a child subreaper, when the image wraps the entry point) orphans become our children. Programs that
the runner itself runs go through `Children` too, so that reaping never takes an exit status that somebody waits for.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


class Children:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours: set[int] = set()
        self._spared: set[int] = set()

    def adopt_orphans(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, argv: Sequence[str], *, spared: bool = False, **options: Any) -> subprocess.Popen[bytes]:
        """`spared`: it is the runner's own, so `end_all` leaves it alone."""
        with self._lock:
            process: subprocess.Popen[bytes] = subprocess.Popen(list(argv), **options)
            self._ours.add(process.pid)
            if spared:
                self._spared.add(process.pid)
        return process

    def run(self, argv: Sequence[str], timeout: float, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Like subprocess.run with both outputs captured; on a timeout the program's whole group is killed."""
        pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.start(argv, spared=True, **{**pipe, "start_new_session": True, **options})
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            send_group(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        finally:
            self.forget(process)
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._ours.discard(process.pid)
            self._spared.discard(process.pid)

    def reap(self) -> None:
        """Collect orphans that ended; a program that somebody here waits for is left to them."""
        with self._lock:
            for pid, parent, state in _all():
                if parent == os.getpid() and state == "Z" and pid not in self._ours:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)

    def end_all(self, grace: float) -> int:
        """End whatever the agent has left: asked first, then killed. How many there were."""
        found = self._to_end()
        send_all(found, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self._to_end() and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.05)
        for _ in range(20):  # a fork bomb needs more than one round
            left = self._to_end()
            if not left:
                break
            send_all(left, signal.SIGKILL)
            self.reap()
            time.sleep(0.05)
        self.reap()
        return len(found)

    def _to_end(self) -> list[int]:
        with self._lock:
            spared = set(self._spared)
        for pid in list(spared):
            spared.update(descendants_of(pid))
        return [pid for pid in descendants() if pid not in spared]


def descendants() -> list[int]:
    """Living processes below this one."""
    return descendants_of(os.getpid())


def descendants_of(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent, state in _all():
        if state != "Z":
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def is_alive(pid: int) -> bool:
    try:
        return _stat(Path(f"/proc/{pid}/stat"))[1] != "Z"
    except (OSError, ValueError, IndexError):
        return False


def send_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def send_all(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _all() -> list[tuple[int, int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent, state = _stat(entry / "stat")
                found.append((int(entry.name), parent, state))
    return found


def _stat(path: Path) -> tuple[int, str]:
    """Parent and state; the name before them may hold anything, brackets included."""
    state, parent = path.read_text(errors="replace").rsplit(")", 1)[1].split()[:2]
    return int(parent), state
