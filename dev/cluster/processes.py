"""Long-running processes: start them so that they outlive the caller, know them again, end only them.

A record holds the pid, its start time and the boot it belongs to, so that a number which now belongs
to another program is never mistaken for ours.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

# The child joins its control group by itself before it becomes the part: nothing it starts can be outside.
_JOIN_AND_BECOME = 'for f in $1; do echo $$ > "$f"; done; shift; exec "$@"'


@dataclass(frozen=True)
class Record:
    pid: int
    started: int
    boot: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


GO_ENVIRONMENT = {"GOGC": "300"}
"""Go's collector runs when the heap has grown by so many per cent. With the usual 100 a sixth of a busy API server's
processor time goes into it, and this machine has more memory than processors."""


def start_time(pid: int) -> int | None:
    """The process's start in clock ticks since boot, or None if it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def start(argv: list[str], log: Path, cwd: Path, join: Iterable[Path] = ()) -> Record:
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", **GO_ENVIRONMENT}
    groups = " ".join(str(path) for path in join)
    with log.open("wb") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _JOIN_AND_BECOME, "sh", groups, *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    return Record(child.pid, start_time(child.pid) or 0, boot_id())


def save(record: Record, path: Path) -> None:
    path.write_text(json.dumps(asdict(record)))


def load(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def alive(record: Record | None) -> bool:
    return record is not None and record.boot == boot_id() and start_time(record.pid) == record.started


def signal_all(records: Iterable[Record], number: signal.Signals) -> None:
    for record in records:
        if alive(record):
            try:
                os.kill(record.pid, number)
            except ProcessLookupError:
                continue


def wait_gone(records: Iterable[Record], seconds: float) -> list[Record]:
    """Those that are still there when the time is over."""
    deadline = time.monotonic() + seconds
    left = [record for record in records if alive(record)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [record for record in left if alive(record)]
    return left


def end(records: Iterable[Record], grace: float) -> None:
    """Ask, wait, then insist."""
    asked = list(records)
    signal_all(asked, signal.SIGTERM)
    left = wait_gone(asked, grace)
    signal_all(left, signal.SIGKILL)
    wait_gone(left, 5)


def of_pids(pids: Iterable[int]) -> list[Record]:
    boot = boot_id()
    found = ((pid, start_time(pid)) for pid in pids)
    return [Record(pid, started, boot) for pid, started in found if started is not None]
