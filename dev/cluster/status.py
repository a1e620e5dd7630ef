"""What runs, and whether it answers."""

from dev.cluster import api, owner, parts, processes
from dev.cluster.layout import NODE, Layout


def status(layout: Layout) -> int:
    """0 if every part runs and the node is ready, otherwise 3 (as for a service that is not running)."""
    other = owner.running_elsewhere(layout.folder)
    if other is not None:
        print(f"another checkout's cluster runs on this machine: {other}")
    missing = 0
    for part in parts.ALL:
        record = processes.load(layout.records / f"{part}.json")
        runs = processes.alive(record)
        missing += not runs
        state = f"runs, process {record.pid}" if record and runs else "does not run"
        print(f"{part:24} {state:22} {layout.log / part}.log")
    ready = api.condition(api.get_object(layout, f"/api/v1/nodes/{NODE}"), "Ready")
    print(f"{'node':24} {'ready' if ready else 'not ready'}")
    print(f"KUBECONFIG={layout.kubeconfig}")
    return 0 if ready and not missing else 3
