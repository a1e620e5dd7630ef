"""The cluster's commands: up, restart PART…, down, clean, status, build, build-kwok, build-helm4, load-image FILE…,
snapshot.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dev.cluster import build, down, images, network, snapshot, status, up
from dev.cluster.layout import HERE, Layout
from dev.cluster.say import ClusterError


def layout() -> Layout:
    """Of this checkout's cluster, unless the environment names another."""
    folder = Path(os.environ.get("CLUSTER_DIR") or HERE.parents[1] / ".cluster").resolve()
    address = os.environ.get("CLUSTER_NODE_IP") or network.node_ip()
    return Layout(folder, address, os.environ.get("CLUSTER_ETCD_FSYNC", "1") != "0")


def _load(where: Layout, files: list[str]) -> None:
    for file in files:
        images.load(where, Path(file))


def _print_snapshot(where: Layout) -> None:
    print(json.dumps(snapshot.take(where), indent=1))


COMMANDS: dict[str, Callable[[Layout, list[str]], int | None]] = {
    "up": lambda where, _: up.up(where),
    "restart": up.restart,
    "down": lambda where, _: down.down(where),
    "clean": lambda where, _: down.clean(where),
    "build": lambda where, _: build.ensure_all(where),
    "build-kwok": lambda where, _: build.ensure_all(where, (build.KWOK,)),
    "build-helm4": lambda where, _: build.ensure_all(where, (build.HELM_4,)),
    "status": lambda where, _: status.status(where),
    "load-image": _load,
    "snapshot": lambda where, _: _print_snapshot(where),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.cluster", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*", help="parts to restart, or images' files")
    chosen = parser.parse_args()
    if chosen.command in {"status", "snapshot"}:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return COMMANDS[chosen.command](layout(), chosen.names) or 0
    except ClusterError as failure:
        print(f"cluster: {failure}", file=sys.stderr)
    except subprocess.SubprocessError as failure:
        print(f"cluster: {failure}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
