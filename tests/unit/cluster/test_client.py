"""The client: what it sends, and what the class of each error means."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio

from bugcommand_operator.cluster import client
from bugcommand_operator.cluster.client import MERGE_PATCH, Cluster, environment_proxy
from bugcommand_operator.cluster.errors import (
    AccessDenied,
    AlreadyExists,
    ClusterError,
    ClusterUnavailable,
    Conflict,
    NotFound,
    Refused,
    is_unavailable,
)


class Server:
    """Answers every request alike, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"{}", ""
        self.silent = False
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append((head[0].rsplit(" ", 1)[0], headers, body))
        if not self.silent:
            answer = f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(self.body)}\r\n{self.headers}"
            writer.write(answer.encode() + b"Connection: close\r\n\r\n" + self.body)
            writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    yield Server()


@pytest_asyncio.fixture
async def cluster(server: Server, tmp_path: Path) -> AsyncIterator[Cluster]:
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "x", "user": {"token": "my-token"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    async with await Cluster.connect(str(tmp_path / "kubeconfig")) as connected:
        yield connected
    listening.close()


@pytest.mark.parametrize("wrong", [timedelta(hours=-1), timedelta(hours=1)])
async def test_the_time_is_the_api_servers_when_ours_is_far_from_it(
    server: Server, cluster: Cluster, wrong: timedelta
) -> None:
    theirs = datetime.now(UTC) + wrong
    server.headers = f"Date: {format_datetime(theirs, usegmt=True)}\r\n"
    await cluster.request("GET", "/x")

    assert abs(cluster.now() - theirs) < timedelta(seconds=30)


async def test_a_clock_of_ours_that_is_set_changes_no_time(
    server: Server, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by NTP, long before the API server is asked again."""

    class Set(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=1)

    before = cluster.now()
    monkeypatch.setattr(client, "datetime", Set)

    assert timedelta() <= cluster.now() - before < timedelta(seconds=30)


@pytest.mark.parametrize("wrong", [timedelta(seconds=-5), timedelta(seconds=5)])
async def test_the_time_is_kept_within_what_an_answer_tells(server: Server, cluster: Cluster, wrong: timedelta) -> None:
    """Which is a second, and as long as the answer took."""
    began = datetime.now(UTC)
    server.headers = f"Date: {format_datetime(began + wrong, usegmt=True)}\r\n"
    await cluster.request("GET", "/x")
    now, took = cluster.now(), datetime.now(UTC) - began

    assert began + wrong - timedelta(seconds=1) <= now <= began + wrong + timedelta(seconds=1) + 2 * took


@pytest.mark.parametrize("date", ["", "Date: yesterday\r\n", "Date: Sat, 99 Nov 2026 99:00:00 GMT\r\n"])
async def test_a_date_that_says_nothing_leaves_the_time_as_it_is(server: Server, cluster: Cluster, date: str) -> None:
    server.headers = date
    await cluster.request("GET", "/x")

    assert abs(cluster.now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_request_carries_our_token_the_query_and_the_kind_of_patch(server: Server, cluster: Cluster) -> None:
    server.body = b'{"kind": "BugCommand"}'
    query = {"fieldManager": "mentu operator", "labelSelector": "a=b,c!=d"}

    answer = await cluster.request("PATCH", "/apis/x/v1", query=query, body={"a": None}, content_type=MERGE_PATCH)

    assert answer == {"kind": "BugCommand"}
    ((line, headers, body),) = server.seen
    assert line == "PATCH /apis/x/v1?fieldManager=mentu%20operator&labelSelector=a%3Db,c!%3Dd"
    assert headers["authorization"] == "Bearer my-token"
    assert headers["content-type"] == "application/merge-patch+json"
    assert json.loads(body) == {"a": None}, "a null removes a field: it must be sent"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (408, ClusterUnavailable),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (429, ClusterUnavailable),
        (500, ClusterUnavailable),
        (504, ClusterUnavailable),
    ],
)
async def test_the_class_of_an_error_says_what_it_means(
    server: Server, cluster: Cluster, status: int, error: type[ClusterError]
) -> None:
    server.status, server.body = status, b'{"reason": "Because", "message": "of this"}'

    with pytest.raises(error) as raised:
        await cluster.request("GET", "/api")

    assert type(raised.value) is error
    assert is_unavailable(status) == (error is ClusterUnavailable)
    assert raised.value.status == status
    assert str(raised.value) == "GET /api: of this"


async def test_what_exists_already_is_told_from_what_has_changed(server: Server, cluster: Cluster) -> None:
    server.status, server.body = 409, b'{"reason": "AlreadyExists", "message": "there"}'

    with pytest.raises(AlreadyExists):
        await cluster.request("POST", "/api")


async def test_a_server_that_asks_for_patience_is_heard(server: Server, cluster: Cluster) -> None:
    server.status, server.headers = 429, "Retry-After: 7\r\n"

    with pytest.raises(ClusterUnavailable) as raised:
        await cluster.request("GET", "/api")
    assert raised.value.retry_after == 7


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"", b"[1]", b"\xff"])
async def test_an_answer_that_is_no_object_is_judged_by_its_status(
    server: Server, cluster: Cluster, body: bytes
) -> None:
    server.body, server.status = body, 502

    with pytest.raises(ClusterUnavailable, match="status 502"):
        await cluster.request("GET", "/api")


async def test_a_server_that_does_not_answer_is_given_up(server: Server, cluster: Cluster) -> None:
    server.silent = True

    with pytest.raises(ClusterUnavailable, match="TimeoutError"):
        await cluster.request("GET", "/api", timeout=0.05)


@pytest.mark.parametrize(
    ("no_proxy", "server", "proxy"),
    [
        ("", "https://api.example.test:6443", "http://proxy.test:3128"),
        ("", "http://api.example.test", None),
        ("example.test", "https://api.example.test:6443", None),
        ("*", "https://10.0.0.1", None),
    ],
    ids=["by scheme", "another scheme's", "a domain that is left out", "all left out"],
)
def test_a_server_is_reached_as_the_environments_proxy_settings_say(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, server: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert environment_proxy(server) == proxy
