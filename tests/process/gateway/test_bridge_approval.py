"""A row that needs approval, or whose BugCommand does: who decides, wherever, is believed in both places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.process.gateway.bridge_world import AWAITS, PREFIX, name_of
from tests.process.gateway.bridges import NAMESPACE, Table, running_bridge, until
from tests.process.gateway.fake_api import FakeApi


async def test_approval_lets_a_row_go_on_and_rejection_ends_it(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        good = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="pending")
        bad = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="pending")
        never = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="rejected")
        for command, decision in ((good, "approved"), (bad, "rejected")):
            await table.until(command, lambda row: row["bugcommand"] is not None)
            assert api.bug(NAMESPACE, name_of(command))["spec"]["approval"] == "Required"  # type: ignore[index]
            api.set_status(NAMESPACE, name_of(command), AWAITS)
            row = await table.until(command, lambda row: row["error"] is not None)
            assert (row["status"], row["approval_status"]) == ("claimed", "pending")
            await table.update(command, approval_status=decision)
        assert [await _decided(api, command) for command in (good, bad)] == [
            ("Approved", "bridge_commands"),
            ("Rejected", "bridge_commands"),
        ]
        row = await table.until(never, lambda row: row["status"] == "failed")
        assert row["error"].startswith("ApprovalRejected")
    assert {bug["metadata"]["name"] for bug in api.bugs()} == {name_of(good), name_of(bad)}


async def _decided(api: FakeApi, command: str) -> tuple[str, str]:
    def status() -> dict[str, Any]:
        return dict((api.bug(NAMESPACE, name_of(command)) or {}).get("status") or {})

    await until(lambda: "approval" in status())
    return status()["approval"]["decision"], status()["approval"]["by"]


async def test_a_row_that_was_approved_before_it_was_seen_needs_nobody(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    command = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="approved")
    async with running_bridge(url, api, tmp_path):
        await table.until(command, lambda row: row["bugcommand"] is not None)
        assert await _decided(api, command) == ("Approved", "bridge_commands")


@pytest.mark.parametrize(("decision", "column"), [("Approved", "approved"), ("Rejected", "rejected")])
async def test_what_somebody_decides_about_the_bugcommand_is_in_its_row(
    url: str, api: FakeApi, table: Table, tmp_path: Path, decision: str, column: str
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="pending")
        await table.until(command, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(command), AWAITS)
        await table.until(command, lambda row: row["error"] is not None)
        decided = {"decision": decision, "by": "jane", "at": "2026-01-01T00:00:00Z"}
        api.set_status(NAMESPACE, name_of(command), {"approval": decided})
        row = await table.until(command, lambda row: row["approval_status"] == column)
        assert row["error"] is None


async def test_a_row_s_approval_that_no_gateway_heard_of_is_found(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX, approval_required=True, approval_status="pending")
        await table.until(command, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(command), AWAITS)
        await table.until(command, lambda row: row["error"] is not None)
    await table.update(command, approval_status="approved")
    async with running_bridge(url, api, tmp_path):
        assert (await _decided(api, command))[0] == "Approved"
