"""Rows of a real Postgres become BugCommands, once each, and learn what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from tests.process.gateway.bridge_world import ENDED, PREFIX, name_of
from tests.process.gateway.bridges import NAMESPACE, TERRITORY, WORKSPACE, Table, running_bridge, until
from tests.process.gateway.fake_api import FakeApi
from tests.support.postgres import PostgresServer

from bugcommand_operator.gateway.bridge import sync
from bugcommand_operator.gateway.bridge.claims import Claims
from bugcommand_operator.gateway.bridge.rows import Territory
from bugcommand_operator.gateway.bridge.turns import Turns
from bugcommand_operator.store.bridge_commands import BridgeCommands, Due, Followed, Unfinished
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.migrate import upgrade

# As another program may have made it long ago: types of its own, and nothing of ours.
OLD_TABLE = """
CREATE TABLE bridge_commands (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL, prompt text NOT NULL,
  working_directory varchar(500) NOT NULL, agent varchar(20) NOT NULL DEFAULT 'claude', flags text[] DEFAULT '{}',
  timeout_seconds integer DEFAULT 3600, target_machine_id text, status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'claimed', 'running', 'completed', 'failed')),
  claimed_by_machine_id text, claimed_at timestamptz, started_at timestamptz, completed_at timestamptz,
  exit_code integer, output text, error text, approval_required boolean DEFAULT false, approval_status text,
  with_worktree boolean DEFAULT false, commitment_id text, payload json)
"""


async def test_a_table_that_others_made_is_served_as_it_is(
    postgres_server: PostgresServer,
    api: FakeApi,
    tmp_path: Path,
) -> None:
    name = postgres_server.new_database()
    postgres_server.execute(OLD_TABLE, name)
    url = postgres_server.url(name)
    await upgrade(url)
    engine = create_async_engine(url)
    table = Table(engine)
    async with running_bridge(url, api, tmp_path) as bridge:
        command = await table.insert(working_directory=PREFIX, payload='{"commitment_id": "cmt_a"}')
        await table.until(command, lambda row: row["bugcommand"] is not None)
        spec = (api.bug(NAMESPACE, name_of(command)) or {})["spec"]
        assert (spec["commitmentId"], spec["withWorktree"], spec["timeoutSeconds"]) == ("cmt_a", False, 3600)
        api.set_status(NAMESPACE, name_of(command), ENDED)
        await table.until(command, lambda row: row["status"] == "completed")
        payload = {"commitment_id": "cmt_b", "more": [1]}
        body = {"prompt": "x", "working_directory": PREFIX, "flags": ["-p"], "payload": payload}
        transport = httpx.ASGITransport(Starlette(routes=bridge.bridge.routes))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            answer = await client.post("/bridge/commands", json=body, headers={"Idempotency-Key": "k"})
            again = await client.post("/bridge/commands", json=body, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, again.json()["id"]) == (201, answer.json()["id"])
        row = await table.until(answer.json()["id"], lambda row: row["bugcommand"] is not None)
        assert (row["payload"], row["flags"], str(row["workspace_id"])) == (payload, ["-p"], WORKSPACE)
        assert bridge.events("Error") == 0
    await engine.dispose()
    postgres_server.drop_database(name)


async def test_a_row_becomes_a_bugcommand_and_learns_its_end(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path) as bridge:
        payload = json.dumps({"memory_id": "mem_1", "commitment_id": "cmt_12345678", "timeout_seconds": 60})
        command = await table.insert(working_directory=f"{PREFIX}/web//app", agent="claude", payload=payload)
        row = await table.until(command, lambda row: row["bugcommand"] is not None)
        assert (row["status"], row["claimed_by_machine_id"], row["repository"]) == ("claimed", "lab", "shop")
        bug = api.bug(NAMESPACE, name_of(command))
        assert bug is not None
        assert bug["spec"] == {
            "prompt": "Fix it.",
            "repository": {"name": "shop"},
            "workingDirectory": "web//app",
            "agent": "claude",
            "commandId": command,
            "commitmentId": "cmt_12345678",
            "timeoutSeconds": 60,
        }
        api.set_status(NAMESPACE, name_of(command), {"phase": "Running", "agentStartTime": "2026-01-01T00:00:05Z"})
        await table.until(command, lambda row: row["status"] == "running" and row["started_at"] is not None)
        api.set_status(NAMESPACE, name_of(command), ENDED)
        row = await table.until(command, lambda row: row["status"] == "completed")
        assert (row["exit_code"], row["error"]) == (0, None)
        assert row["completed_at"].isoformat() == "2026-01-01T00:01:00+00:00"
        assert bridge.events("CommandInserted") == 1
        assert bridge.events("CommandUpdated") >= 2
        assert bridge.events("Error") == 0


async def test_two_gateways_that_race_make_one_bugcommand_of_each_row(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path) as one, running_bridge(url, api, tmp_path) as two:
        commands = await asyncio.gather(*(table.insert(working_directory=PREFIX) for _ in range(200)))

        async def all_are_made() -> bool:
            return all(row["bugcommand"] for row in await table.rows())

        await until(all_are_made, 60)
        assert sorted(api.creates) == sorted(name_of(command) for command in commands)  # nobody even tried twice
        assert {row["status"] for row in await table.rows()} == {"claimed"}
        assert one.events("CommandInserted") == two.events("CommandInserted") == 200


async def test_a_row_whose_gateway_was_killed_after_the_claim_gets_its_bugcommand_from_another(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path) as first:
        api.hold_creates.set()
        command = await table.insert(working_directory=PREFIX)
        await until(lambda: len(api.creates) == 1)
        await first.killed()
    assert (await table.row(command))["bugcommand"] is None
    assert (await table.row(command))["status"] == "claimed"
    api.hold_creates.clear()
    async with running_bridge(url, api, tmp_path):
        await table.until(command, lambda row: row["bugcommand"] == name_of(command))
    assert len(api.bugs()) == 1


async def test_a_bugcommand_that_was_made_but_not_written_down_is_adopted(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
    await table.update(command, bugcommand=None)
    async with running_bridge(url, api, tmp_path):
        await table.until(command, lambda row: row["bugcommand"] == name_of(command))
    assert len(api.bugs()) == 1


async def test_another_s_bugcommand_of_that_name_is_not_adopted(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    command = str(uuid.uuid4())
    api.put("bugcommands", NAMESPACE, name_of(command), {"prompt": "Something else.", "commandId": command})
    async with running_bridge(url, api, tmp_path):
        await table.insert(id=command, working_directory=PREFIX)
        row = await table.until(command, lambda row: row["status"] == "failed")
    assert row["error"].startswith("NameTaken")
    assert row["bugcommand"] is None


async def test_what_is_inserted_while_the_line_is_cut_is_found_when_it_is_back(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path, poll_seconds=60) as bridge:
        before = await table.insert(working_directory=PREFIX)  # once it is carried over, the first looks are over
        await table.until(before, lambda row: row["bugcommand"] is not None)
        async with table.engine.connect() as connection:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(text("ALTER TABLE bridge_commands DISABLE TRIGGER USER"))
            command = await table.insert(working_directory=PREFIX)
            await autocommit.execute(text(cut))
        await table.until(command, lambda row: row["bugcommand"] is not None)
        await until(lambda: bridge.events("Connected") >= 2)
        assert bridge.events("Disconnected") >= 1


async def test_a_row_that_nobody_told_of_is_found_by_looking(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with table.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE bridge_commands DISABLE TRIGGER USER"))
    async with running_bridge(url, api, tmp_path) as bridge:
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
        assert bridge.events("CommandInserted") == 0


async def test_rows_of_others_are_left_alone(url: str, api: FakeApi, table: Table, tmp_path: Path) -> None:
    async with running_bridge(url, api, tmp_path):
        elsewhere = await table.insert(working_directory=PREFIX, target_machine_id="other")
        stranger = await table.insert(working_directory=PREFIX, workspace_id=str(uuid.uuid4()), namespace=NAMESPACE)
        ours = await table.insert(working_directory=PREFIX, target_machine_id="lab")
        await table.until(ours, lambda row: row["bugcommand"] is not None)
        statuses = [(await table.row(command))["status"] for command in (elsewhere, stranger)]
    assert statuses == ["pending"] * 2
    assert len(api.bugs()) == 1


@pytest.mark.parametrize("change", [{"status": "cancelled"}, {"approval_status": "rejected"}])
async def test_a_row_that_others_cancel_cancels_its_bugcommand_and_keeps_its_own_state(
    url: str, api: FakeApi, table: Table, tmp_path: Path, change: dict[str, str]
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
        await table.update(command, **change)
        await until(lambda: (api.bug(NAMESPACE, name_of(command)) or {})["spec"].get("cancel") is True)
        failed = [{"type": "Succeeded", "status": "False", "reason": "Cancelled", "message": "cancelled"}]
        status = {"phase": "Cancelled", "completionTime": "2026-01-01T00:01:00Z", "conditions": failed}
        api.set_status(NAMESPACE, name_of(command), status)
        row = await table.until(command, lambda row: row["completed_at"] is not None)
    assert row["status"] == ("cancelled" if "status" in change else "failed")
    assert row["error"].startswith("Cancelled")


async def test_a_row_whose_bugcommand_is_deleted_fails_and_one_that_has_ended_stays(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        ended, deleted = [await table.insert(working_directory=PREFIX) for _ in range(2)]
        for command in (ended, deleted):
            await table.until(command, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(ended), ENDED)
        await table.until(ended, lambda row: row["status"] == "completed")
        for command in (ended, deleted):
            api.remove("bugcommands", NAMESPACE, name_of(command))
        row = await table.until(deleted, lambda row: row["status"] == "failed")
        assert row["error"].startswith("Deleted")
        assert (await table.row(ended))["status"] == "completed"


async def test_what_happened_while_no_gateway_ran_is_written_down_later(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        ended, deleted = [await table.insert(working_directory=PREFIX) for _ in range(2)]
        for command in (ended, deleted):
            await table.until(command, lambda row: row["bugcommand"] is not None)
    api.set_status(NAMESPACE, name_of(ended), ENDED)
    api.remove("bugcommands", NAMESPACE, name_of(deleted))
    missed = await table.insert(working_directory=PREFIX)
    async with running_bridge(url, api, tmp_path):
        await table.until(ended, lambda row: row["status"] == "completed")
        await table.until(deleted, lambda row: row["status"] == "failed")
        await table.until(missed, lambda row: row["bugcommand"] is not None)


async def test_a_watch_that_the_api_server_has_forgotten_begins_anew(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(command), ENDED)
        api.forget()
        api.repository(NAMESPACE, "other", "/srv/other")
        await table.until(command, lambda row: row["status"] == "completed")
        second = await table.insert(working_directory="/srv/other/x")
        assert (await table.until(second, lambda row: row["bugcommand"]))["repository"] == "other"


async def test_an_api_server_that_is_away_delays_and_loses_nothing(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path) as bridge:
        api.failing = 503
        command = await table.insert(working_directory=PREFIX)
        await until(lambda: bridge.events("Error") > 0)
        api.failing = 0
        await table.until(command, lambda row: row["bugcommand"] is not None)
    assert len(api.bugs()) == 1


async def test_missing_rights_are_said_in_the_row_and_it_goes_on_when_they_are_given(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        api.failing = 403
        command = await table.insert(working_directory=PREFIX)
        row = await table.until(command, lambda row: row["error"] is not None)
        assert (row["status"], row["error"].partition(":")[0]) == ("claimed", "CannotCreate")
        api.failing = 0
        row = await table.until(command, lambda row: row["bugcommand"] is not None)
        assert row["error"] is None


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"working_directory": "/etc"}, "WorkingDirectoryNotMapped"),
        ({"working_directory": f"{PREFIX}/../../etc"}, "WorkingDirectoryOutsideTree"),
        ({"prompt": "x" * 70_000}, "InvalidField"),
        ({"prompt": "\x1b[2J"}, "InvalidField"),
        ({"working_directory": "a\x07b"}, "InvalidField"),
        ({"timeout_seconds": -1}, "InvalidField"),
        ({"commitment_id": "cmt_../../x"}, "InvalidField"),
        ({"agent": "../claude"}, "InvalidField"),
        ({"flags": ["--mcp-config=evil"]}, "FlagNotAllowed"),
        ({"payload": "[1, 2]"}, "InvalidField"),
        ({"payload": '{"timeout_seconds": 1e30}'}, "InvalidField"),
        ({"repository": "no-such"}, "RepositoryNotFound"),
    ],
)
async def test_a_hostile_row_fails_with_a_reason(
    url: str, api: FakeApi, table: Table, tmp_path: Path, columns: dict[str, object], reason: str
) -> None:
    async with running_bridge(url, api, tmp_path) as bridge:
        command = await table.insert(**columns)
        row = await table.until(command, lambda row: row["status"] == "failed")
        assert row["error"].startswith(f"{reason}: ")
        assert row["completed_at"] is not None
        assert bridge.events("Error") == 0
    assert api.bugs() == []


async def test_notifications_that_anybody_can_send_do_no_harm(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path) as bridge:
        hostile = ["", "{", "[]", "null", '{"id": 5}', '{"id": "x"}', '{"op": 7, "id": "' + str(uuid.uuid4()) + '"}']
        async with table.engine.begin() as connection:
            for payload in hostile:
                await connection.execute(text("SELECT pg_notify('mentu_bridge_commands', :it)"), {"it": payload})
        await until(lambda: bridge.events("Error") >= 6)
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)


async def test_a_bugcommand_of_another_namespace_cannot_write_into_a_row(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
        labels = {"mentu.dev/bridge-command": command}
        api.put("bugcommands", "evil", name_of(command), {"prompt": "x"}, labels=labels)
        api.set_status("evil", name_of(command), ENDED)
        api.set_status(NAMESPACE, name_of(command), {"phase": "Running", "agentStartTime": "2026-01-01T00:00:05Z"})
        await table.until(command, lambda row: row["status"] == "running")
        api.set_status("evil", name_of(command), {**ENDED, "exitCode": 3})
        later = await table.insert(working_directory=PREFIX)
        await table.until(later, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(later), ENDED)
        await table.until(later, lambda row: row["status"] == "completed")
        assert (await table.row(command))["status"] == "running"


async def test_a_machine_s_gateway_leaves_the_rows_of_another_machine_to_it(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    other = Territory("elsewhere", {WORKSPACE: NAMESPACE})
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(FakeApi())
        far.repository(NAMESPACE, "shop", PREFIX)
        folder = tmp_path / "far"
        folder.mkdir()
        async with running_bridge(url, api, tmp_path, TERRITORY):
            command = await table.insert(working_directory=PREFIX, target_machine_id="lab")
            await table.until(command, lambda row: row["bugcommand"] is not None)
        async with running_bridge(url, far, folder, other):
            theirs = await table.insert(working_directory=PREFIX, target_machine_id="elsewhere")
            await table.until(theirs, lambda row: row["bugcommand"] is not None)
            assert (await table.row(command))["status"] == "claimed"
        assert [bug["metadata"]["name"] for bug in far.bugs()] == [name_of(theirs)]


async def test_rows_that_nobody_can_decode_fail_and_stop_no_gateway(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    hostile = [
        {"payload": f'{{"a": {"9" * 5000}}}'},
        {"payload": "[" * 3000 + "]" * 3000},
        {"created_at": "infinity"},
        {"started_at": "0044-03-15 12:00:00 BC"},
    ]

    async def first_words(command: str) -> tuple[str, str]:
        async with table.engine.begin() as connection:
            statement = text("SELECT status, coalesce(error, '') FROM bridge_commands WHERE id = :id")
            status, error = (await connection.execute(statement, {"id": command})).one()
        return status, error.partition(":")[0]

    async def all_have_failed() -> bool:
        return all([await first_words(command) == ("failed", "InvalidField") for command in bad])

    before = [await table.insert(working_directory=PREFIX, **columns) for columns in hostile]
    stranger = await table.insert(working_directory=PREFIX, **hostile[0], workspace_id=str(uuid.uuid4()))
    async with running_bridge(url, api, tmp_path):
        bad = before + [await table.insert(working_directory=PREFIX, **columns) for columns in hostile]
        await until(all_have_failed)
        good = await table.insert(working_directory=PREFIX)
        await table.until(good, lambda row: row["bugcommand"] is not None)
        assert await first_words(stranger) == ("pending", "")
    assert len(api.bugs()) == 1


@pytest.mark.parametrize("change", [{"status": "cancelled"}, {"approval_status": "rejected"}])
async def test_a_bugcommand_that_was_not_written_down_is_cancelled_with_its_row(
    url: str, api: FakeApi, table: Table, tmp_path: Path, change: dict[str, str]
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
    await table.update(command, bugcommand=None, repository=None, namespace=None, **change)
    async with running_bridge(url, api, tmp_path):
        await until(lambda: (api.bug(NAMESPACE, name_of(command)) or {})["spec"].get("cancel") is True)
        row = await table.until(command, lambda row: row["bugcommand"] == name_of(command))
        assert (row["namespace"], row["repository"], row["completed_at"]) == (NAMESPACE, "shop", None)
        failed = [{"type": "Succeeded", "status": "False", "reason": "Cancelled", "message": "cancelled"}]
        status = {"phase": "Cancelled", "completionTime": "2026-01-01T00:01:00Z", "conditions": failed}
        api.set_status(NAMESPACE, name_of(command), status)
        row = await table.until(command, lambda row: row["completed_at"] is not None)
    assert row["error"].startswith("Cancelled")


async def test_a_bugcommand_that_was_not_written_down_is_adopted_though_its_repository_has_changed(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
    await table.update(command, bugcommand=None, repository=None, namespace=None)
    api.repository(NAMESPACE, "shop", "/srv/elsewhere")
    async with running_bridge(url, api, tmp_path):
        row = await table.until(command, lambda row: row["bugcommand"] or row["status"] == "failed")
    assert (row["status"], row["bugcommand"], row["repository"]) == ("claimed", name_of(command), "shop")


async def test_a_row_that_was_cancelled_between_its_claim_and_its_bugcommand_ends(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    columns = {"status": "cancelled", "claimed_by_machine_id": "lab", "claimed_at": long_ago}
    command = await table.insert(working_directory=PREFIX, **columns)
    async with running_bridge(url, api, tmp_path):
        row = await table.until(command, lambda row: row["completed_at"] is not None)
    assert (row["status"], row["bugcommand"]) == ("cancelled", None)
    assert api.bugs() == []


async def test_a_row_whose_bugcommand_went_while_nobody_looked_fails_though_the_first_look_at_the_table_failed(
    url: str, api: FakeApi, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_bridge(url, api, tmp_path):
        command = await table.insert(working_directory=PREFIX)
        await table.until(command, lambda row: row["bugcommand"] is not None)
    api.remove("bugcommands", NAMESPACE, name_of(command))
    unfinished, failures = BridgeCommands.unfinished, iter([StoreUnavailable("away")])

    async def failing_once(rows: BridgeCommands, after: str, limit: int) -> list[Unfinished]:
        for failure in failures:
            raise failure
        return await unfinished(rows, after, limit)

    monkeypatch.setattr(BridgeCommands, "unfinished", failing_once)
    async with running_bridge(url, api, tmp_path):
        row = await table.until(command, lambda row: row["status"] == "failed")
    assert row["error"].startswith("Deleted")


@pytest.mark.parametrize("are_noted", [False, True])
async def test_rows_of_others_take_no_room_from_ours(
    url: str, api: FakeApi, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, are_noted: bool
) -> None:
    monkeypatch.setattr(sync, "Turns", partial(Turns, room=10))
    noted = {"namespace": "elsewhere"} if are_noted else {}
    async with table.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE bridge_commands DISABLE TRIGGER USER"))
    for number in range(50):
        await table.insert(id=f"00000000-0000-4000-8000-{number:012}", workspace_id=str(uuid.uuid4()), **noted)
    ours = await table.insert(id=f"ffffffff-0000-4000-8000-{0:012}", working_directory=PREFIX)
    async with running_bridge(url, api, tmp_path, poll_seconds=3600):  # one look as it begins, one as it connects
        await table.until(ours, lambda row: row["bugcommand"] is not None)


async def test_a_look_goes_on_where_the_last_one_found_no_more_room(
    url: str, api: FakeApi, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Due(f"{number:08}-0000-4000-8000-000000000000", False, {"workspace_id": WORKSPACE}) for number in range(25)]
    looked: list[str] = []
    done: set[str] = set()

    async def due(_rows: BridgeCommands, after: str, limit: int, *_: object, **__: object) -> list[Due]:
        looked.append(after)
        return [row for row in rows if row.command_id > after][:limit]

    async def look_at(_claims: Claims, command_id: str, **_: object) -> None:
        done.add(command_id)  # and it stays due, as one does that cannot be carried over now

    monkeypatch.setattr(sync, "Turns", partial(Turns, room=10))
    monkeypatch.setattr(BridgeCommands, "due", due)
    monkeypatch.setattr(Claims, "look_at", look_at)
    async with running_bridge(url, api, tmp_path, poll_seconds=0.05):
        await until(lambda: len(done) == len(rows))
    assert rows[9].command_id in looked


async def test_a_bugcommand_that_loses_its_label_goes_on_and_its_row_does_not_fail(
    url: str, api: FakeApi, table: Table, tmp_path: Path
) -> None:
    async with running_bridge(url, api, tmp_path):
        unlabelled, deleted = [await table.insert(working_directory=PREFIX) for _ in range(2)]
        for command in (unlabelled, deleted):
            await table.until(command, lambda row: row["bugcommand"] is not None)
        api.lose_sight("bugcommands", NAMESPACE, name_of(unlabelled))
        api.remove("bugcommands", NAMESPACE, name_of(deleted))
        await table.until(deleted, lambda row: row["status"] == "failed")
        api.forget()  # and what is listed anew does not hold it
        later = await table.insert(working_directory=PREFIX)
        await table.until(later, lambda row: row["bugcommand"] is not None)
        api.set_status(NAMESPACE, name_of(later), ENDED)
        await table.until(later, lambda row: row["status"] == "completed")
        assert (await table.row(unlabelled))["status"] == "claimed"


HERE, THERE = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"


@pytest.mark.parametrize(
    ("what", "row", "elsewhere", "is_taken"),
    [
        ("of a workspace that is known", {"workspace_id": HERE}, "", True),
        (
            "that a sender over HTTP gave its workspace's namespace",
            {"workspace_id": HERE, "namespace": "team"},
            "",
            True,
        ),
        ("that names another namespace than its workspace's", {"workspace_id": HERE, "namespace": "other"}, "", False),
        ("of an unknown workspace, where those are nobody's", {"workspace_id": THERE}, "", False),
        ("of an unknown workspace, where those go elsewhere", {"workspace_id": THERE}, "rest", True),
        (
            "of no workspace that a sender over HTTP gave the namespace of all others",
            {"namespace": "rest"},
            "rest",
            True,
        ),
        ("of an unknown workspace that names a namespace", {"workspace_id": THERE, "namespace": "rest"}, "rest", False),
        ("of no workspace that names another namespace", {"namespace": "team"}, "rest", False),
        ("of no workspace, where those are nobody's", {}, "", False),
        ("that somebody has claimed", {"workspace_id": HERE, "status": "claimed"}, "rest", False),
        ("for another machine", {"workspace_id": HERE, "target_machine_id": "mac-9"}, "rest", False),
    ],
)
async def test_a_row_is_claimed_unseen(
    url: str, table: Table, what: str, row: dict[str, str], elsewhere: str, is_taken: bool
) -> None:
    command = await table.insert(**{"workspace_id": None, **row})
    claimed = await BridgeCommands(table.engine, "lab").claim_outright(command, {HERE: "team"}, elsewhere)
    assert (claimed is not None) == is_taken, what
    if claimed is not None:
        assert (claimed["status"], claimed["claimed_by_machine_id"]) == ("claimed", "lab")


async def test_what_is_noted_of_a_bugcommand_that_was_followed_first_is_whole(url: str, table: Table) -> None:
    rows = BridgeCommands(table.engine, "lab")
    columns = {"claimed_by_machine_id": "lab", "namespace": NAMESPACE, "error": "CannotCreate: no room"}
    command, ended = [await table.insert(status="claimed", **columns) for _ in range(2)]
    await rows.follow([Followed(one, NAMESPACE, name_of(one), "claimed") for one in (command, ended)])
    end = Followed(ended, NAMESPACE, name_of(ended), "failed", completed_at=datetime.now(UTC), error="Failed: it did")
    await rows.follow([end])
    for one in (command, ended):
        await rows.created(one, NAMESPACE, "shop", name_of(one))
    assert [(await table.row(one))["repository"] for one in (command, ended)] == ["shop", "shop"]
    assert [(await table.row(one))["error"] for one in (command, ended)] == [None, "Failed: it did"]


async def test_a_row_that_had_ended_is_open_again_once_its_command_runs_again(url: str, table: Table) -> None:
    rows = BridgeCommands(table.engine, "lab")
    command = await table.insert(status="claimed", claimed_by_machine_id="lab", namespace=NAMESPACE)

    def told(status: str, at: int, end: int | None = None, **more: Any) -> Followed:
        ended = datetime(2026, 1, 1, 0, end, tzinfo=UTC) if end is not None else None
        began = datetime(2026, 1, 1, 0, at, tzinfo=UTC) if at else None
        return Followed(command, NAMESPACE, name_of(command), status, completed_at=ended, again_at=began, **more)

    async def seen(state: Followed) -> tuple[object, ...]:
        await rows.follow([state])
        row = await table.row(command)
        return row["status"], row["exit_code"], row["error"], row["completed_at"] is None

    failed = told("failed", 0, 5, exit_code=69, error="ModelOverloaded: no")
    assert await seen(failed) == ("failed", 69, "ModelOverloaded: no", False)
    assert await seen(told("running", 0)) == ("failed", 69, "ModelOverloaded: no", False), "told late, of the first"
    assert await seen(told("claimed", 6)) == ("claimed", None, None, True)
    assert await seen(told("running", 6)) == ("running", None, None, True)
    assert await seen(told("completed", 6, 9, exit_code=0)) == ("completed", 0, None, False)
    assert await seen(told("running", 6)) == ("completed", 0, None, False), "told late, of the second"
    assert await seen(told("failed", 10, 12, exit_code=1, error="AgentFailed: it did")) == (
        "failed", 1, "AgentFailed: it did", False
    )  # fmt: skip
