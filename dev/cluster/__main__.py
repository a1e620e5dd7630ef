"""The cluster's commands: up, down, clean, status, build, load-image, snapshot."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from dev.cluster import build, down, images, network, snapshot, status, up
from dev.cluster.layout import HERE, Layout
from dev.cluster.say import ClusterError


def _layout() -> Layout:
    folder = Path(os.environ.get("CLUSTER_DIR") or HERE.parents[1] / ".cluster").resolve()
    address = os.environ.get("CLUSTER_NODE_IP") or network.node_ip()
    return Layout(folder, address, os.environ.get("CLUSTER_ETCD_FSYNC", "1") != "0")


def _run(command: str, files: list[Path]) -> int:
    layout = _layout()
    if command in {"status", "snapshot"}:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    match command:
        case "up":
            up.up(layout)
        case "down":
            down.down(layout)
        case "clean":
            down.clean(layout)
        case "build":
            build.ensure_all(layout)
        case "status":
            return status.status(layout)
        case "load-image":
            for file in files:
                images.load(layout, file)
        case "snapshot":
            print(json.dumps(snapshot.take(layout), indent=1))
    return 0


def main() -> int:
    commands = ["up", "down", "clean", "status", "build", "load-image", "snapshot"]
    parser = argparse.ArgumentParser(prog="dev.cluster", description=__doc__)
    parser.add_argument("command", choices=commands)
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    try:
        return _run(chosen.command, chosen.files)
    except ClusterError as failure:
        print(f"cluster: {failure}", file=sys.stderr)
    except subprocess.SubprocessError as failure:
        print(f"cluster: {failure}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
