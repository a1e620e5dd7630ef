"""Bring the cluster up: what runs is left alone, what does not is started, and all of it is waited for."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dev.cluster import api, build, cgroups, dns, down, images, machine, owner, parts, pki, processes, settings, store
from dev.cluster.layout import CLUSTER_DOMAIN, DNS_IMAGE, HERE, NODE, PAUSE_IMAGE, PORTS, Layout
from dev.cluster.say import ClusterError, say

_KUBECONFIGS = (
    "kubelet",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kube-router",
    "volume-provisioner",
)
Address = tuple[socket.AddressFamily, str | tuple[str, int]]
_KUBELET_HEALTH: Address = (socket.AF_INET, ("127.0.0.1", 10248))
# The socket with the longest path, below the folder; the kernel allows 107 characters.
_LONGEST_SOCKET = "kubelet/pod-resources/kubelet.sock.0000000000"


def record(layout: Layout, part: str) -> Path:
    return layout.records / f"{part}.json"


def running(layout: Layout, part: str) -> bool:
    return processes.alive(processes.load(record(layout, part)))


def up(layout: Layout) -> None:
    if os.geteuid() != 0:
        raise ClusterError("the cluster's parts need root: run make as root")
    if len(f"{layout.folder}/{_LONGEST_SOCKET}") > 107:
        raise ClusterError(f"{layout.folder} is too long a path for sockets in it: choose another by CLUSTER_DIR=…")
    owner.refuse_another(layout.folder)  # before minutes of building
    build.ensure_all(layout)
    with owner.locked():
        _take(layout)
        if all(running(layout, part) for part in parts.ALL):
            say("the cluster runs already")
            _wait(layout, "etcd", store.makes_room, 30)
            _wait_usable(layout, datetime.fromtimestamp(0, UTC))
            return
        _start(layout)


def restart(layout: Layout, names: Sequence[str]) -> None:
    """Kill these parts as a crash would, and start them again. The pods go on meanwhile."""
    for name in names:
        if name not in parts.ALL:
            raise ClusterError(f"there is no part {name}: choose from {', '.join(parts.ALL)}")
    found = [kept for name in names if (kept := processes.load(record(layout, name))) is not None]
    with owner.locked():
        _take(layout)
        processes.signal_all(found, signal.SIGKILL)
        processes.wait_gone(found, 10)
        _start(layout)


def _take(layout: Layout) -> None:
    owner.refuse_another(layout.folder)
    down.sweep_left_behind(layout)
    owner.claim(layout.folder)


def _start(layout: Layout) -> None:
    if not any(running(layout, part) for part in parts.ALL):
        down.sweep_leftovers(layout)
        _check_ports()
    for part in parts.ALL:
        if not running(layout, part):
            record(layout, part).unlink(missing_ok=True)
    machine.remember()
    machine.load_modules()
    machine.set_sysctls()
    _write(layout)
    join = cgroups.make()

    def ensure(names: tuple[str, ...]) -> None:
        for name in names:
            if not running(layout, name):
                started = processes.start(parts.argv(name, layout), layout.log / f"{name}.log", layout.folder, join)
                processes.save(started, record(layout, name))

    ensure(parts.STORE)
    # Before the API server starts: it waits a whole second before it tries etcd again.
    _wait(layout, "etcd", store.makes_room, 30)
    ensure(parts.CORE)
    _wait(layout, "containerd", lambda: accepts((socket.AF_UNIX, str(layout.socket))), 30)
    images.load_program(layout, layout.bin / "pause", PAUSE_IMAGE)
    images.load_program(layout, layout.bin / "coredns", DNS_IMAGE)
    _wait(layout, "kube-apiserver", lambda: api.get(layout, "/readyz") is not None, 120)
    say("kube-apiserver ready")
    since = datetime.fromtimestamp(0, UTC) if running(layout, "kubelet") else datetime.now(UTC).replace(microsecond=0)
    ensure(parts.AFTER_API)
    start_until_it_stays(layout, "kubelet", _KUBELET_HEALTH, lambda: ensure(("kubelet",)))
    _apply(layout)
    _wait(layout, "kubelet", lambda: api.get_object(layout, f"/api/v1/nodes/{NODE}") is not None, 60)
    ensure(parts.AFTER_NODE)
    _wait_usable(layout, since)


def start_until_it_stays(layout: Layout, part: str, health: Address, start: Callable[[], None]) -> None:
    """containerd takes connections a moment before its runtime service answers; a kubelet that asks in between ends."""
    deadline = time.monotonic() + 30
    while not accepts(health):
        if time.monotonic() > deadline:
            raise ClusterError(_why(layout, part, "does not stay"))
        start()
        time.sleep(0.1)


def _write(layout: Layout) -> None:
    for folder in (layout.log, layout.records, layout.conf / "cni", layout.volumes, layout.kubelet, layout.containerd):
        folder.mkdir(parents=True, exist_ok=True)
    (layout.folder / "etcd").mkdir(mode=0o700, exist_ok=True)
    pki.ensure(layout)
    resolv_conf = _resolv_conf()
    files = {
        "containerd.toml": settings.containerd(layout),
        "cni/10-bridge.conflist": settings.cni(layout),
        "kubelet.json": settings.kubelet(layout, str(resolv_conf)),
        "kube-proxy.json": settings.kube_proxy(layout),
        **{name: pki.kubeconfig(layout, name) for name in _KUBECONFIGS},
    }
    for name, content in files.items():
        _private(layout.conf / name, content)
    _private(layout.kubeconfig, pki.kubeconfig(layout, "admin"))


def _private(path: Path, content: str) -> None:
    """Left alone where it is the same: kube-proxy ends when its file is touched."""
    path.touch(mode=0o600)
    if path.read_text() != content:
        path.write_text(content)


def _resolv_conf() -> Path:
    """A resolver on loopback (systemd-resolved) is out of a pod's reach; it names the real ones elsewhere."""
    resolved = Path("/run/systemd/resolve/resolv.conf")
    return resolved if resolved.exists() else Path("/etc/resolv.conf")


def _has_nameserver(path: Path) -> bool:
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return any(not server.startswith(("127.", "::1")) for server in servers)


def _apply(layout: Layout) -> None:
    corefile = settings.corefile(_has_nameserver(_resolv_conf()))
    indented = "".join(f"    {line}\n" for line in corefile.splitlines())
    manifests = [file.read_text() for file in sorted((HERE / "manifests").glob("*.yaml"))]
    text = "\n---\n".join(manifests).replace("    COREFILE\n", indented).replace("DNS_IMAGE", DNS_IMAGE)
    command = [str(layout.bin / "kubectl"), f"--kubeconfig={layout.kubeconfig}", "apply", "--server-side"]
    command += ["--force-conflicts", "--field-manager=mentu-dev-cluster", "--filename=-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise ClusterError(f"applying dev/cluster/manifests: {done.stderr.strip()}")


def _wait_usable(layout: Layout, since: datetime) -> None:
    _wait(layout, "kubelet", lambda: _node_ready(layout, since), 90)
    say("node ready")
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    _wait(layout, "kube-controller-manager", lambda: api.get(layout, account) is not None, 60)
    _wait(layout, "kubelet", lambda: dns.answers(f"kubernetes.default.svc.{CLUSTER_DOMAIN}"), 90)
    say("DNS answers")
    say(f"the cluster is usable: export KUBECONFIG={layout.kubeconfig}")


def _node_ready(layout: Layout, since: datetime) -> bool:
    """Ready by a report newer than the start: the last run's report is still there."""
    node = api.get_object(layout, f"/api/v1/nodes/{NODE}")
    reported = api.condition_time(node, "Ready")
    return api.condition(node, "Ready") and reported is not None and reported >= since


def _wait(layout: Layout, part: str, ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        for name in parts.ALL:
            if record(layout, name).exists() and not running(layout, name):
                raise ClusterError(_why(layout, name, "has ended"))
        if time.monotonic() > deadline:
            raise ClusterError(_why(layout, part, f"was not ready in {seconds:.0f} s"))
        time.sleep(0.05)


def _why(layout: Layout, part: str, what: str) -> str:
    log = layout.log / f"{part}.log"
    tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
    return "\n".join([f"{part} {what}; its log is {log} and ends with:", *(f"  {line[:300]}" for line in tail)])


def accepts(address: Address) -> bool:
    family, where = address
    with socket.socket(family) as client:
        return client.connect_ex(where) == 0


def _check_ports() -> None:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as taken:
                raise ClusterError(f"port {port} is in use by another program; the cluster needs it") from taken
