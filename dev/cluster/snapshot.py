"""What a cluster could leave behind on a machine, as one comparable value.

Other programs come and go meanwhile: of processes only those count that could be the cluster's.
"""

import json
import subprocess
from pathlib import Path

from dev.cluster import machine, network
from dev.cluster.layout import RUNTIME, Layout

_NAMES = {"containerd", "runc", "pause", "etcd", "kubelet", "kube", "kube-router", "coredns"}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _is_suspect(process: Path, folder: str) -> bool:
    name = _text(process / "comm").strip()
    if not _text(process / "cmdline"):
        return False  # of the kernel, or ended and only waiting for its parent to ask
    inside = _link(process / "cwd").startswith(folder) or _link(process / "exe").startswith(folder)
    return inside or name in _NAMES or name.startswith(("kube-", "containerd-shim"))


def _processes(folder: Path) -> list[str]:
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return sorted(_text(path / "cmdline") for path in found if _is_suspect(path, str(folder)))


def _mounts() -> list[str]:
    return sorted(line.split()[4] for line in _text(Path("/proc/self/mountinfo")).splitlines())


def _cgroups() -> list[str]:
    """Two levels are enough to see a group of ours, and few enough not to see others' comings and goings."""
    return sorted(str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir())


def _listening() -> list[str]:
    done = subprocess.run(["ss", "-Hltnp"], check=False, capture_output=True, text=True)
    return sorted(line.split()[3] for line in done.stdout.splitlines() if any(f'"{name}"' in line for name in _NAMES))


def take(layout: Layout) -> dict[str, object]:
    routes = subprocess.run(["ip", "-j", "route"], check=False, capture_output=True, text=True)
    return {
        "processes": _processes(layout.folder),
        "listening": _listening(),
        "mounts": _mounts(),
        "links": network.links(),
        "routes": sorted(f"{route['dst']} {route['dev']}" for route in json.loads(routes.stdout or "[]")),
        "rules": {table: network.normalised(network.rules(table)) for table in network.TABLES},
        "sets": network.sets(),
        "cgroups": _cgroups(),
        "sysctls": machine.sysctls(),
        "folders": [*machine.folders(), *(str(path) for path in RUNTIME.parent.glob("mentu-dev-cluster*"))],
    }
