"""What a row that was approved decides about its BugCommand, and what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

from tests.process.gateway.fake_api import FakeApi

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.gateway.bridge.claims import Claims
from bugcommand_operator.gateway.bridge.rows import Row, Territory
from bugcommand_operator.gateway.bridge.translate import name_of

NAMESPACE = "team-a"
ID = "0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01"
NAME = name_of(ID)
ROW = {
    "status": "claimed",
    "claimed_by_machine_id": "default",
    "bugcommand": NAME,
    "approval_status": "approved",
    "error": "AwaitingApproval: of somebody",
}
SPEC = {"prompt": "Fix it.", "approval": "Required", "retry": {"limit": 10, "afterAttempt": 1}}


class Rows:
    async def fate(self, _command_id: str) -> Row:
        return ROW


async def decided(folder: Path, status: dict[str, Any]) -> dict[str, Any]:
    with FakeApi() as api:
        api.put("bugcommands", NAMESPACE, NAME, SPEC)
        api.set_status(NAMESPACE, NAME, status)
        async with await Cluster.connect(str(api.kubeconfig(folder))) as cluster:

            class Here:
                async def kube(self) -> Kube:
                    return Kube(cluster)

            await Claims(cast(Any, Rows()), Here(), Mock(), Territory(default_namespace=NAMESPACE)).look_at(ID)
        return dict((api.bug(NAMESPACE, NAME) or {})["status"]["approval"])


async def test_a_row_that_was_approved_approves_its_command(tmp_path: Path) -> None:
    said = await decided(tmp_path, {"phase": "AwaitingApproval"})
    assert (said["decision"], said["by"], said["retryLimit"]) == ("Approved", "bridge_commands", 10)


async def test_it_does_not_approve_one_more_attempt_that_was_asked_for_later(tmp_path: Path) -> None:
    """The row says it of the first time: nobody has agreed to another attempt."""
    first = {"decision": "Approved", "by": "jane", "at": "2026-01-01T00:00:00Z", "retryLimit": 0}
    assert await decided(tmp_path, {"phase": "AwaitingApproval", "attempt": 1, "approval": first}) == first
