"""The machine as it was before the cluster: written down at the start, put back at the end."""

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dev.cluster import network
from dev.cluster.layout import RUNTIME
from dev.cluster.processes import boot_id
from dev.cluster.say import ClusterError

_FILE = RUNTIME / "before.json"
_MODULES = {"br_netfilter": "/proc/sys/net/bridge", "overlay": "", "ip_set": "", "xt_set": ""}
# Set by the bridge plugin, kube-proxy, the kubelet and us.
_SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/default/forwarding",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/vs/conntrack",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# Where the parts write without a setting that says otherwise; deepest first.
_FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/pod-resources",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/cni/results",
    "/var/lib/cni/networks",
    "/var/lib/cni",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/containerd",
    "/run/runc",
    "/run/flannel",
    "/run/netns",
    "/etc/cni/net.d",
    "/etc/cni",
    "/opt/containerd",
    "/opt/cni",
)


@dataclass(frozen=True)
class Before:
    boot: str
    sysctls: dict[str, str]
    folders: list[str]
    rules: dict[str, str]
    sets: list[str] = field(default_factory=list)


def sysctls() -> dict[str, str]:
    root = Path("/proc/sys")
    return {name: (root / name).read_text().strip() for name in _SYSCTLS if (root / name).exists()}


def folders() -> list[str]:
    return [folder for folder in _FOLDERS if Path(folder).exists()]


def recorded() -> Before | None:
    """What was written down in this boot; after another boot it says nothing any more."""
    try:
        before = Before(**json.loads(_FILE.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return before if before.boot == boot_id() else None


def remember() -> None:
    if recorded() is not None:
        return  # the state before the first start counts, not what a broken one left
    rules = {table: network.rules(table) for table in network.TABLES}
    before = Before(boot_id(), sysctls(), folders(), rules, network.sets())
    RUNTIME.mkdir(parents=True, exist_ok=True)
    _FILE.write_text(json.dumps(asdict(before)))


def load_modules() -> None:
    for module, proof in _MODULES.items():
        done = subprocess.run(["modprobe", module], check=False, capture_output=True, text=True)
        if done.returncode != 0 and proof and not Path(proof).exists():
            raise ClusterError(f"the kernel has no {module}: {done.stderr.strip()}")


def set_sysctls() -> None:
    for name in ("net/bridge/bridge-nf-call-iptables", "net/ipv4/ip_forward"):
        (Path("/proc/sys") / name).write_text("1")


def restore(before: Before) -> None:
    _restore_sysctls(before)
    for folder in _FOLDERS:
        if folder not in before.folders:
            _remove_leftovers(Path(folder))


def _restore_sysctls(before: Before) -> None:
    now = sysctls()
    for name, value in before.sysctls.items():
        if now.get(name) != value:
            (Path("/proc/sys") / name).write_text(value)


def _remove_leftovers(folder: Path) -> None:
    """Sockets, broken links and known small files of a folder that was not there before; then the folder."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_socket() or entry.is_fifo() or entry.is_symlink() or entry.name in _LITTER:
            entry.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


_LITTER = {"kubelet_internal_checkpoint", "DEPRECATION"}


def forget() -> None:
    _FILE.unlink(missing_ok=True)
