"""`POST /bridge/commands` of the real gateway process: with Postgres it is a row first, with SQLite a BugCommand at
once, and what a sender sees is the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.process.gateway.bridges import NAMESPACE, WORKSPACE, Table, until
from tests.process.gateway.fake_api import FakeApi
from tests.process.gateway.process import GatewayProcess
from tests.support.postgres import postgres_server, postgres_url, store_url  # noqa: F401 (fixtures)

PREFIX = "/home/mentu/Workspaces/mentu-ai"
SEED = {
    "prompt": "Fix the authentication bug in src/auth.ts",
    "working_directory": PREFIX,
    "agent": "claude",
    "with_worktree": True,
    "commitment_id": "cmt_12345678",
}
WRITER, READER, NARROW = "writer-token-0123456789", "reader-token-0123456789", "narrow-token-0123456789"
TOKENS = [
    {"name": "ci", "token": WRITER, "namespace": NAMESPACE, "scopes": ["read", "write"]},
    {"name": "dashboard", "token": READER, "namespace": NAMESPACE},
    {"name": "web", "token": NARROW, "namespace": NAMESPACE, "repositories": ["web"], "scopes": ["write"]},
]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        running.repository(NAMESPACE, "mentu-ai", PREFIX)
        running.repository(NAMESPACE, "web", PREFIX + "/web")
        yield running


class Sender:
    def __init__(self, port: int) -> None:
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)

    async def post(self, body: Any = SEED, token: str = WRITER, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        send = {"X-Proxy-Token": token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            async with asyncio.timeout(20):
                while True:
                    answer = await self._client.post("/bridge/commands", content=content, headers=send)
                    if answer.status_code != 503:
                        return answer
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError("the gateway kept saying that it cannot") from None

    async def close(self) -> None:
        await self._client.aclose()


@contextlib.contextmanager
def gateway(url: str, api: FakeApi, folder: Path) -> Iterator[GatewayProcess]:
    tokens = folder / "tokens.yaml"
    tokens.write_text(json.dumps(TOKENS))
    settings = {
        "MENTU_BRIDGE_ENABLED": "true",
        "MENTU_BRIDGE_NAMESPACES": json.dumps({WORKSPACE: NAMESPACE}),
        "MENTU_BRIDGE_POLL_SECONDS": "0.5",
        "MENTU_MACHINE_ID": "lab",
        "MENTU_PROXY_TOKENS_FILE": str(tokens),
    }
    with GatewayProcess(url, api.kubeconfig(folder), **settings) as running:
        yield running


@pytest.fixture
async def sender(store_url: str, api: FakeApi, tmp_path: Path) -> AsyncIterator[Sender]:  # noqa: F811
    with gateway(store_url, api, tmp_path) as running:
        sender = Sender(running.port)
        yield sender
        await sender.close()


async def test_the_body_that_senders_know_becomes_a_bugcommand(sender: Sender, api: FakeApi) -> None:
    answer = await sender.post()
    assert answer.status_code == 201
    made = answer.json()
    name = f"bridge-{made['id']}"
    assert made == {**made, "commandId": made["id"], "namespace": NAMESPACE, "name": name, "status": "pending"}
    await until(lambda: api.bug(NAMESPACE, name) is not None)
    spec = (api.bug(NAMESPACE, name) or {})["spec"]
    assert spec["repository"] == {"name": "mentu-ai"}
    assert (spec["prompt"], spec["commitmentId"], spec["commandId"]) == (SEED["prompt"], "cmt_12345678", made["id"])


async def test_the_same_key_gives_the_same_command_and_another_body_is_a_conflict(sender: Sender, api: FakeApi) -> None:
    first, second = await asyncio.gather(*(sender.post(Idempotency_Key="k-1") for _ in range(2)))
    again = await sender.post(dict(reversed(SEED.items())), Idempotency_Key="k-1")
    assert [answer.status_code for answer in (first, second, again)] == [201] * 3
    assert first.json()["id"] == second.json()["id"] == again.json()["id"]
    assert again.headers["Idempotent-Replay"] == "true"
    other = await sender.post({**SEED, "prompt": "Something else."}, Idempotency_Key="k-1")
    assert (other.status_code, other.json()["reason"]) == (409, "IdempotencyKeyReused")
    assert other.json()["field"] == "Idempotency-Key"
    fresh = await sender.post(Idempotency_Key="k-2")
    assert fresh.json()["id"] != first.json()["id"]
    await until(lambda: len(api.bugs()) == 2)


async def test_a_key_is_the_sender_s_own(sender: Sender) -> None:
    body = {**SEED, "working_directory": PREFIX + "/web"}
    one = await sender.post(body, Idempotency_Key="same")
    two = await sender.post(body, NARROW, Idempotency_Key="same")
    assert one.status_code == two.status_code == 201
    assert one.json()["id"] != two.json()["id"]


async def test_only_a_token_that_may_write_gets_in(sender: Sender, api: FakeApi) -> None:
    for token, status, reason in ((READER, 403, "NotAllowed"), ("x" * 20, 401, "Unauthenticated")):
        answer = await sender.post(token=token)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert (await sender.post(token="")).status_code == 401
    elsewhere = await sender.post({**SEED, "namespace": "kube-system"})
    assert (elsewhere.status_code, elsewhere.json()["field"]) == (403, "namespace")
    assert api.bugs() == []


async def test_a_token_of_some_repositories_reaches_no_other(sender: Sender) -> None:
    assert (await sender.post({**SEED, "working_directory": PREFIX + "/web/x"}, NARROW)).status_code == 201
    for body in ({"prompt": "x", "working_directory": PREFIX}, {"prompt": "x", "repository": "mentu-ai"}):
        refused = await sender.post(body, NARROW)
        assert refused.status_code == 422


async def test_a_kubernetes_identity_needs_the_right_to_create_bugcommands(sender: Sender, api: FakeApi) -> None:
    api.users["alice-s-token"] = "alice"
    nowhere = await sender.post(SEED, "alice-s-token")
    assert (nowhere.status_code, nowhere.json()["reason"]) == (422, "NamespaceNotGiven")
    api.rights.add(("alice", "get", NAMESPACE))
    refused = await sender.post({**SEED, "namespace": NAMESPACE}, "alice-s-token")
    assert refused.status_code == 403
    api.users["bob-s-token"] = "bob"
    api.rights.add(("bob", "create", NAMESPACE))
    assert (await sender.post({**SEED, "namespace": NAMESPACE}, "bob-s-token")).status_code == 201


REFUSED: list[tuple[Any, int, str, str | None]] = [
    (b"{", 400, "InvalidJSON", None),
    (b"[" * 50_000, 400, "InvalidJSON", None),
    (b'{"prompt": "' + b"x" * (600 << 10) + b'"}', 413, "TooLarge", None),
    ({"prompt": "x" * 70_000}, 422, "InvalidField", "prompt"),
    ({"prompt": "a\0b"}, 422, "InvalidField", "prompt"),
    ({"prompt": "x", "working_directory": "/etc"}, 422, "WorkingDirectoryNotMapped", "working_directory"),
    ({"prompt": "x", "working_directory": "a/../.."}, 422, "WorkingDirectoryOutsideTree", "working_directory"),
    ({"prompt": "x", "working_directory": "web"}, 422, "RepositoryNotGiven", "repository"),
    ({"prompt": "x", "repository": "nope"}, 422, "RepositoryNotFound", "repository"),
    ({"prompt": "x", "timeout_seconds": 10**12}, 422, "InvalidField", "timeout_seconds"),
    ({"working_directory": PREFIX}, 422, "MissingField", "prompt"),
]


async def test_what_cannot_be_carried_out_is_refused_and_leaves_nothing(sender: Sender, api: FakeApi) -> None:
    for body, status, reason, field in REFUSED:
        answer = await sender.post(body)
        assert (answer.status_code, answer.json()["reason"], answer.json().get("field")) == (status, reason, field)
    assert (await sender.post(Idempotency_Key="k" * 256)).json()["reason"] == "InvalidIdempotencyKey"
    assert api.bugs() == []


async def test_a_repository_that_was_made_a_moment_ago_is_found(sender: Sender, api: FakeApi) -> None:
    assert (await sender.post({"prompt": "x", "working_directory": "/new/place"})).status_code == 422
    api.repository(NAMESPACE, "new", "/new")
    assert (await sender.post({"prompt": "x", "working_directory": "/new/place"})).status_code == 201


async def test_a_post_is_a_row_that_others_see_and_survives_a_kill_after_its_claim(
    postgres_url: str,  # noqa: F811
    api: FakeApi,
    tmp_path: Path,
) -> None:
    engine = create_async_engine(postgres_url)
    table = Table(engine)
    with gateway(postgres_url, api, tmp_path) as running:
        sender = Sender(running.port)
        api.hold_creates.set()
        payload = {"memory_id": "mem_1", "commitment_id": "cmt_a", "timeout_seconds": 60, "extra": {"a": [1]}}
        body = {"prompt": "x", "working_directory": PREFIX + "/a", "payload": payload, "workspace_id": WORKSPACE}
        command = (await sender.post(body)).json()["id"]
        await until(lambda: len(api.creates) == 1)
        running.kill()
        row = await table.row(command)
        assert (row["status"], row["bugcommand"], row["payload"]) == ("claimed", None, payload)
        assert (str(row["workspace_id"]), row["working_directory"]) == (WORKSPACE, PREFIX + "/a")
        api.hold_creates.clear()
        running.start()
        row = await table.until(command, lambda row: row["bugcommand"] is not None)
        assert (row["bugcommand"], row["repository"]) == (f"bridge-{command}", "mentu-ai")
        text = (await sender._client.get("/metrics")).text
        assert 'mentu_bridge_events_total{type="Connected"} 1.0' in text
        await sender.close()
    assert len(api.bugs()) == 1
    await engine.dispose()


async def test_a_row_that_is_posted_for_approval_waits_for_it(
    postgres_url: str,  # noqa: F811
    api: FakeApi,
    tmp_path: Path,
) -> None:
    engine = create_async_engine(postgres_url)
    table = Table(engine)
    with gateway(postgres_url, api, tmp_path) as running:
        sender = Sender(running.port)
        body = {**SEED, "approval_required": True, "approval_status": "approved"}  # not the sender's to say
        command = (await sender.post(body)).json()["id"]
        other = await table.insert(id=str(uuid.uuid4()), working_directory=PREFIX)
        await table.until(other, lambda row: row["bugcommand"] is not None)
        await table.until(command, lambda row: row["bugcommand"] is not None)
        assert (await table.row(command))["approval_status"] == "pending"
        found = next(bug for bug in api.bugs() if bug["spec"]["commandId"] == command)
        assert (found["spec"]["approval"], found.get("status")) == ("Required", None)
        await sender.close()
    await engine.dispose()
