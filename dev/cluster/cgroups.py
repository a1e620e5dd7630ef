"""The one control group that everything of the cluster is in: daemons, shims and containers.

Made before the kubelet starts (which wants its root to exist), and removed when the cluster is down.
Both hierarchies: version 1 with one tree a controller, version 2 with one tree.
"""

import os
import time
from pathlib import Path

from dev.cluster.layout import CGROUP

_ROOT = Path("/sys/fs/cgroup")
_V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")


def _is_v2() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _trees() -> list[Path]:
    """The top of each hierarchy; symbolic links are second names for one of them."""
    if _is_v2():
        return [_ROOT]
    return [path for path in sorted(_ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]


def _delegate(folder: Path) -> None:
    for controller in _V2_CONTROLLERS:
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue  # not on this machine; the kubelet names the ones it misses


def make() -> list[Path]:
    """Make the groups; answers the files by which a process joins the daemons' one."""
    join = []
    for tree in _trees():
        group = tree / CGROUP
        daemons = group / "daemons"
        if _is_v2():
            _delegate(tree)
        daemons.mkdir(parents=True, exist_ok=True)
        if _is_v2():
            _delegate(group)
        for folder in (group, daemons):
            _inherit_cpuset(folder)
        if tree.name in {"pids", "freezer", "systemd", _ROOT.name}:
            join.append(daemons / "cgroup.procs")
    return join[:1]


def _inherit_cpuset(folder: Path) -> None:
    # A version 1 cpuset group starts empty, and nothing can be put in until it has CPUs and memory nodes.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if not _is_v2() and file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())


def groups() -> list[Path]:
    """Every group of ours, the deepest first."""
    found: list[Path] = []
    for tree in _trees():
        for folder, _, _ in os.walk(tree / CGROUP, topdown=False):
            found.append(Path(folder))
    return found


def pids() -> set[int]:
    found: set[int] = set()
    for group in groups():
        try:
            found |= {int(line) for line in (group / "cgroup.procs").read_text().split()}
        except OSError:
            continue
    return found


def remove(seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while groups() and time.monotonic() < deadline:
        for group in groups():
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.02)  # a process that has ended stays listed for a moment
