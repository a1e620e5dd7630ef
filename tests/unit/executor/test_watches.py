"""Signs of life of watches, from the requests that kopf's session makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import kopf
import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, web
from prometheus_client import REGISTRY

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.reach import OUTAGE, Reach
from bugcommand_operator.executor import kopf_lists
from bugcommand_operator.executor.news import News
from bugcommand_operator.executor.watches import Watches
from bugcommand_operator.executor.world import World

PATH = "/apis/mentu.dev/v1alpha1/namespaces/team-a/bugcommands"


class Server:
    def __init__(self) -> None:
        self.status = 200
        self.token, self.body = "", b""
        self.runner: web.AppRunner
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.token = request.headers.get("Authorization", "")
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    server.runner = web.AppRunner(app)
    await server.runner.setup()
    site = web.TCPSite(server.runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{server.runner.addresses[0][1]}"
    yield server
    await server.runner.cleanup()


def seen() -> float:
    value = REGISTRY.get_sample_value("mentu_last_watch_answer_timestamp_seconds", {"kind": "BugCommand"})
    assert value is not None
    return value


async def test_an_answer_is_a_sign_of_life_and_a_refusal_says_so(server: Server) -> None:
    watches = Watches()
    info = watches.session(kopf.ConnectionInfo(server=server.url, token="secret"))
    async with info.aiohttp_session as session:
        before = seen()
        async with session.get(f"{server.url}{PATH}?watch=true"):
            assert "BugCommand" not in watches.failing
        assert server.token == "Bearer secret"
        assert seen() > before
        server.status, before = 403, seen()
        async with session.get(f"{server.url}{PATH}?watch=true"):
            assert watches.failing["BugCommand"] == "answered with status 403"
        assert seen() == before
        async with session.get(f"{server.url}/api/v1/pods?watch=true"):
            assert "403" in watches.failing["Pod"]


async def test_a_watch_is_read_without_echoes(server: Server) -> None:
    world = World()
    world.echoes.expect("BugCommand", {"metadata": {"resourceVersion": "7"}})
    info = Watches(news=News(world.echoes, {})).session(kopf.ConnectionInfo(server=server.url))
    shown = [b'{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"%d"}}}\n' % version for version in (7, 8)]
    server.body = b"".join(shown)
    async with info.aiohttp_session as session, session.get(f"{server.url}{PATH}?watch=true") as answer:
        assert [chunk async for chunk in answer.content.iter_chunked(1 << 20)] == shown[1:]


@pytest.mark.parametrize(("path", "namespace"), [(PATH, "team-a"), ("/prefix/api/v1/pods", None)])
async def test_a_list_shows_nothing_but_from_where_to_watch(server: Server, path: str, namespace: str | None) -> None:
    """The API server's answer says what there is, and where the list goes on: both are for our own list."""
    asked: list[tuple[str, str | None]] = []

    async def watched_from(kind: str, namespace: str | None) -> str:
        asked.append((kind, namespace))
        return "42"

    server.body = b'{"kind":"List","metadata":{"resourceVersion":"50","continue":"more"},"items":[{"metadata":{}}]}'
    info = Watches(watched_from=watched_from).session(kopf.ConnectionInfo(server=server.url))
    async with info.aiohttp_session as session, session.get(f"{server.url}{path}?limit=1") as answer:
        told = await answer.json(content_type=None)

    assert (told["items"], told["metadata"]) == ([], {"resourceVersion": "42"})
    assert asked == [("BugCommand" if path == PATH else "Pod", namespace)]


async def test_a_list_that_cannot_be_made_is_a_broken_connection_to_kopf(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the operator at any other error; and that nothing is watched meanwhile is no secret."""
    monkeypatch.setattr(kopf_lists, "PAUSE_SECONDS", 0.0)
    said: list[dict[str, str]] = []
    trouble: list[ClusterUnavailable] = [ClusterUnavailable("overloaded")] * 2

    async def watched_from(_kind: str, _namespace: str | None) -> str:
        said.append(watches.failing)
        if trouble:
            raise trouble.pop()
        return "42"

    watches = Watches(watched_from=watched_from)
    info = watches.session(kopf.ConnectionInfo(server=server.url))
    async with info.aiohttp_session as session:
        for _ in range(2):
            async with session.get(f"{server.url}{PATH}?limit=1") as answer:
                with pytest.raises(ClientPayloadError, match="overloaded"):
                    await answer.json()
        async with session.get(f"{server.url}{PATH}?limit=1") as answer:
            await answer.json(content_type=None)

    assert [each["BugCommand"] for each in said] == ["not opened yet", "overloaded", "overloaded"]
    assert "BugCommand" not in watches.failing


async def test_what_becomes_of_kopfs_requests_tells_of_an_outage(server: Server) -> None:
    """An executor with nothing to do makes hardly any others."""
    elapsed = 0.0
    reach = Reach(lambda: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=elapsed), lambda: elapsed)
    info = Watches(reach=reach).session(kopf.ConnectionInfo(server=server.url))
    async with info.aiohttp_session as session:

        async def asked(status: int) -> float:
            server.status = status
            async with session.get(f"{server.url}{PATH}?watch=true"):
                since = reach.since()
                return since.timestamp() - datetime(2026, 3, 1, tzinfo=UTC).timestamp() if since else -1.0

        assert await asked(503) == -1.0
        assert await asked(403) == 0.0
        for status in (503, 429, 500):
            elapsed += OUTAGE
            await asked(status)
        elapsed += 1.0
        assert await asked(200) == 3 * OUTAGE + 1
        await server.runner.cleanup()
        for _ in range(3):
            elapsed += OUTAGE
            with pytest.raises(ClientConnectionError):
                await session.get(f"{server.url}{PATH}?watch=true")
        assert reach.since() == datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=elapsed)


async def test_a_server_that_is_away_is_a_try_without_an_answer(server: Server) -> None:
    now = 0.0
    watches = Watches(lambda: now)
    info = watches.session(kopf.ConnectionInfo(server=server.url))
    await server.runner.cleanup()
    async with info.aiohttp_session as session:
        now = 500.0
        assert watches.silent_seconds == 500.0
        with pytest.raises(ClientConnectionError):
            await session.get(f"{server.url}{PATH}?watch=true")
    assert watches.silent_seconds == 0.0
    assert "connect" in watches.failing["BugCommand"].lower()


async def test_what_is_asked_of_other_kinds_says_nothing_about_watches(server: Server) -> None:
    watches = Watches()
    before = watches.failing
    async with watches.session(kopf.ConnectionInfo(server=server.url)).aiohttp_session as session:
        await session.get(f"{server.url}/version")
    assert watches.failing == before
