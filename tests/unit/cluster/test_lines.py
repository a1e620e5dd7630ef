"""An answer that comes line by line: put together from its pieces, refused by class, and bounded in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bugcommand_operator.cluster import client
from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import AccessDenied, ClusterUnavailable, Expired

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def connected(serve: Serve, folder: Path) -> AsyncIterator[Cluster]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    async with await Cluster.connect(str(folder / "kubeconfig")) as cluster:
        yield cluster
    server.close()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def lines(cluster: Cluster, seconds: float) -> list[bytes]:
    return [line async for line in cluster.lines("/apis/x", query={"watch": "true"}, seconds=seconds)]


async def test_pieces_become_lines_and_the_time_s_end_is_no_failure(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        for piece in (b"on", b"e\ntw", b"o\nthree\nhalf a li"):
            writer.write(chunk(piece))
            await writer.drain()
        await reader.read()
        writer.close()

    async with connected(serve, tmp_path) as cluster:
        assert await lines(cluster, 0.5) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(("status", "kind"), [(410, Expired), (403, AccessDenied), (500, ClusterUnavailable)])
async def test_a_refusal_has_its_class(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"message": "because"}'
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with connected(serve, tmp_path) as cluster:
        with pytest.raises(kind, match="because"):
            await lines(cluster, 5)


async def test_a_server_that_takes_the_request_and_never_answers_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_OPENING_SECONDS", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with connected(serve, tmp_path) as cluster:
        with pytest.raises(ClusterUnavailable, match="no answer in time"):
            await lines(cluster, 30)
