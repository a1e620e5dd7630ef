"""What a stranger may hold open, with real sockets against a real server."""

import asyncio
import base64
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from bugcommand_operator.gateway.connections import ConnectionLimits, http_protocol, websocket_protocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def refuse(_request: Request) -> Response:
    return PlainTextResponse("no", 413)


async def echo(socket_: WebSocket) -> None:
    await socket_.accept()
    await socket_.send_text(await socket_.receive_text())
    await socket_.receive()


@dataclass
class Server:
    limits: ConnectionLimits
    port: int

    async def open(self) -> Pair:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def open_count_is(self, count: int) -> None:
        for _ in range(5000):
            if self.limits.open == count:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{self.limits.open} connections are open, not {count}")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    limits = ConnectionLimits(total=6, per_client=4, header_seconds=0.3)
    routes = [
        Route("/", answer, methods=["GET", "POST"]),
        Route("/refuse", refuse, methods=["POST"]),
        WebSocketRoute("/ws", echo),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        http=http_protocol(limits),
        ws=websocket_protocol(limits),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    running = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(running.serve([listening]))
    for _ in range(5000):
        if running.started:
            break
        await asyncio.sleep(0.002)
    yield Server(limits, listening.getsockname()[1])
    running.should_exit = True
    await task


async def ask(pair: Pair, request: bytes = GET) -> str:
    reader, writer = pair
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))
    return head.split(b"\r\n")[0].decode()


async def close(*pairs: Pair) -> None:
    for _, writer in pairs:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_one_address_gets_only_its_share_of_connections_and_gets_it_back(server: Server) -> None:
    held = [await server.open() for _ in range(4)]
    for pair in held:
        assert "200" in await ask(pair)

    one_more = await server.open()
    head = await one_more[0].readuntil(b"\r\n\r\n")
    assert b"503" in head
    assert b"too many connections" in await one_more[0].read()
    assert all("200" in ended for ended in [await ask(pair) for pair in held]), "the others go on"

    await close(held.pop(), one_more)
    await server.open_count_is(3)
    again = await server.open()
    assert "200" in await ask(again)
    await close(again, *held)
    await server.open_count_is(0)


def test_all_addresses_together_have_one_bound() -> None:
    limits = ConnectionLimits(total=6, per_client=4)
    admitted = [limits.admit(f"10.0.0.{number}") for number in range(8)]
    assert admitted == [True] * 6 + [False] * 2
    limits.release("10.0.0.0")
    assert limits.admit("10.0.0.7")


async def test_headers_that_do_not_become_complete_have_a_deadline(server: Server) -> None:
    silent, slow, blank = [await server.open() for _ in range(3)]
    slow[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert "200" in await ask(blank)
    blank[1].write(b"\r\n")  # not yet a request, but it ends the wait for the next one

    async with asyncio.timeout(10):
        for reader, _ in (silent, slow, blank):
            assert await reader.read() == b""
    await close(silent, slow, blank)
    await server.open_count_is(0)


async def test_a_request_in_time_is_not_cut_off_and_the_connection_waits_for_the_next(server: Server) -> None:
    pair = await server.open()
    pair[1].write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
    await asyncio.sleep(0.5)  # longer than headers may take: the deadline is theirs alone
    assert "200" in await ask(pair, b"b")
    await asyncio.sleep(0.5)
    assert "200" in await ask(pair)
    await close(pair)


async def test_headers_beyond_all_measure_are_refused(server: Server) -> None:
    pair = await server.open()
    pair[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    await pair[1].drain()
    await server.open_count_is(1)
    filler = b"X-Filler: " + b"x" * 4096 + b"\r\n"
    for _ in range(3):  # in parts, or the first is taken for all there is
        pair[1].write(filler * 4)
        await asyncio.sleep(0.02)
    assert b" 431 " in await pair[0].read()
    await close(pair)


async def test_a_large_body_after_an_early_answer_is_not_taken_for_headers(server: Server) -> None:
    pair = await server.open()
    body = b"x" * (256 << 10)
    head = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert "413" in await ask(pair, head + body[:10])
    pair[1].write(body[10:])
    assert "200" in await ask(pair)
    await close(pair)


async def test_a_websocket_is_counted_once_and_given_back(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pair = await server.open()
    key = base64.b64encode(os.urandom(16))
    pair[1].write(
        b"GET /ws?apikey=a-secret HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    assert b" 101 " in await pair[0].readuntil(b"\r\n\r\n")
    assert server.limits.open == 1
    await asyncio.sleep(0.5)
    pair[1].write(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi")
    assert await pair[0].readexactly(4) == b"\x81\x02hi", "it has no deadline"
    await close(pair)
    await server.open_count_is(0)
    assert "a-secret" not in caplog.text, "a URL may hold a token, and is not written down"
