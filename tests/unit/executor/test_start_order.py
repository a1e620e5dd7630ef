"""What is on the way from a command's creation to its pod, and in which order: each write there is latency."""

from __future__ import annotations

import pytest
from tests.support.builders import NAME
from tests.support.cluster_model import ClusterModel
from tests.support.operator_process import OperatorProcess, populated


async def test_nothing_but_the_claim_stands_between_a_command_and_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = populated(ClusterModel())
    process = await OperatorProcess(cluster).start()
    process.told.post = lambda _, event: cluster._called("post", "Event", event.reason)  # type: ignore[method-assign,assignment]
    cluster.calls.clear()
    await process.work()

    written = [(c.kind, c.name) for c in cluster.calls if c.writes]
    assert written[:3] == [("BugCommand", NAME), ("Pod", f"{NAME}-1-agent"), ("BugCommand", NAME)]
    assert ("PersistentVolumeClaim", f"{NAME}-worktree") in written
    assert written.index(("Event", "Claimed")) > written.index(("Pod", f"{NAME}-1-agent"))
