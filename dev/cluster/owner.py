"""Whose cluster runs on this machine: one at a time, and one command on it at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dev.cluster import cgroups
from dev.cluster.layout import RUNTIME, Layout
from dev.cluster.processes import alive, boot_id, load
from dev.cluster.say import ClusterError, say

_FILE = RUNTIME / "owner.json"
# Not in the runtime folder, which is deleted while the lock is held.
_LOCK = Path("/run/mentu-dev-cluster.lock")


@contextmanager
def locked() -> Iterator[None]:
    """Two `make cluster` at the same time: the second waits, and then finds it running."""
    for _ in range(100):
        with _LOCK.open("w") as file:
            _wait_for(file)
            # Whoever held it before may have ended the cluster and deleted the file with it.
            if not _LOCK.exists() or _LOCK.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue
            yield
            return
    raise ClusterError(f"could not get hold of {_LOCK}")


def _wait_for(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another command works on the cluster: waiting for it")
        fcntl.flock(file, fcntl.LOCK_EX)


def running_elsewhere(mine: Path) -> Path | None:
    """The folder of another checkout's cluster that runs."""
    other = _recorded()
    return other if other not in {None, mine} and _runs(other) else None


def left_behind(mine: Path) -> Path | None:
    """The folder of another checkout's cluster whose every part was killed: what it left on the machine is nobody's."""
    other = _recorded()
    return other if other not in {None, mine} and not _runs(other) else None


def _recorded() -> Path | None:
    try:
        owner = json.loads(_FILE.read_text())
        return Path(owner["folder"]) if owner["boot"] == boot_id() else None
    except (OSError, ValueError, KeyError):
        return None


def _runs(folder: Path | None) -> bool:
    """Without records (somebody cleaned the checkout) it runs if anything is left in the control group."""
    records = list(Layout(folder).records.glob("*.json")) if folder is not None else []
    return any(alive(load(record)) for record in records) if records else bool(cgroups.pids())


def refuse_another(mine: Path) -> None:
    other = running_elsewhere(mine)
    if other is not None:
        raise ClusterError(
            f"the cluster of another checkout runs on this machine, with the same ports: {other}\n"
            f"  stop it with:  make cluster-down CLUSTER_DIR={other}"
        )


def claim(mine: Path) -> None:
    RUNTIME.mkdir(parents=True, exist_ok=True)
    _FILE.write_text(json.dumps({"folder": str(mine), "boot": boot_id()}))


def release() -> None:
    _FILE.unlink(missing_ok=True)
    _LOCK.unlink(missing_ok=True)
    if RUNTIME.is_dir() and not any(RUNTIME.iterdir()):
        RUNTIME.rmdir()
