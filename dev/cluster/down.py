"""Take the cluster down and leave the machine as it was. What is kept on disk is only in the folder."""

import shutil
import subprocess
from pathlib import Path

from dev.cluster import cgroups, machine, mounts, network, owner, parts, processes
from dev.cluster.layout import Layout
from dev.cluster.processes import Record
from dev.cluster.say import ClusterError, say

_CLIENTS = tuple(part for part in reversed(parts.ALL) if part not in parts.CORE)


def down(layout: Layout) -> None:
    with owner.locked():
        other = owner.running_elsewhere(layout.folder)
        if other is not None:
            say(f"the running cluster is another checkout's, left alone: {other}")
            say(f"stop it with:  make cluster-down CLUSTER_DIR={other}")
            return
        _end(layout, _CLIENTS, grace=5)
        _sweep_pods(layout)
        _end(layout, ("containerd",), grace=5)
        _end(layout, ("kube-apiserver",), grace=8)
        _end(layout, ("etcd",), grace=8)
        sweep_left_behind(layout)
        sweep_leftovers(layout)
        owner.release()
    say(f"the cluster is down; its state is kept in {layout.folder}")


def clean(layout: Layout) -> None:
    down(layout)
    if owner.running_elsewhere(layout.folder) is not None:
        raise ClusterError("nothing deleted")
    if mounts.below(layout.folder):
        raise ClusterError(f"something is still mounted below {layout.folder}: not deleting through it")
    if layout.folder.exists():
        shutil.rmtree(layout.folder)
    say(f"{layout.folder} is deleted")


def _records(layout: Layout, names: tuple[str, ...]) -> list[Record]:
    found = (processes.load(layout.records / f"{name}.json") for name in names)
    return [record for record in found if record is not None]


def _end(layout: Layout, names: tuple[str, ...], grace: float) -> None:
    processes.end(_records(layout, names), grace)
    for name in names:
        (layout.records / f"{name}.json").unlink(missing_ok=True)


def _sweep_pods(layout: Layout) -> None:
    """Let the runtime end the pods, so that networks and addresses are given back in order."""
    sweeper = layout.bin / "cri-sweep"
    if not any(processes.alive(record) for record in _records(layout, ("containerd",))) or not sweeper.exists():
        return
    command = [str(sweeper), f"--endpoint=unix://{layout.socket}", "--timeout=60s"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90)
    if done.returncode != 0:
        say(f"not every pod ended in order, the rest is ended by force: {done.stderr.strip()[-300:]}")


def sweep_left_behind(layout: Layout) -> None:
    """A checkout whose cluster was killed as a whole holds the machine no longer; its folder's state is kept."""
    other = owner.left_behind(layout.folder)
    if other is not None:
        say(f"every part of another checkout's cluster was killed: clearing up what it left ({other})")
        sweep_leftovers(Layout(other))


def sweep_leftovers(layout: Layout) -> None:
    """Everything that may remain after a crash: found by our control group, socket, bridge, chains, folder."""
    processes.end(processes.of_pids(cgroups.pids() | _shims(layout)), grace=1)
    cgroups.remove()
    left = mounts.unmount_below(layout.folder)
    if left:
        say(f"still mounted: {', '.join(left[:3])}")
    before = machine.recorded()
    if before is None:
        return
    network.remove_links()
    network.remove_rules(before.rules)
    network.remove_sets(before.sets)
    network.remove_results(layout.folder)
    machine.restore(before)
    machine.forget()


def _shims(layout: Layout) -> set[int]:
    """containerd's shims outlive it by design; ours name our socket."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_shim(folder, str(layout.socket)):
            found.add(int(folder.name))
    return found


def _is_shim(folder: Path, address: str) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return Path(words[0]).name.startswith("containerd-shim") and address in words
