"""A proxy for bytes, in front of a database: it can be away, cut, fall silent, be slow, or lose an answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class TcpProxy:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.is_away = False
        self.answer_delay = 0.0
        """How much later the server's bytes arrive than it sent them."""
        self.loses_answer_to = b""
        """The first request with these bytes is carried out, then its connection ends without an answer."""
        self.lost = 0
        self.port = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self.flow()
        await asyncio.gather(*self._served, return_exceptions=True)

    def url(self, url: str) -> str:
        """The same database, through this proxy."""
        return url.replace(f":{self._port}/", f":{self.port}/")

    def cut(self) -> None:
        for link in list(self._links):
            link.transport.abort()

    def stall(self) -> None:
        """No byte goes through in either direction, and nobody is told."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_away:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, writer, far_writer)
        self._links |= {writer, far_writer}
        asking = asyncio.create_task(link.ask(reader))
        answering = asyncio.create_task(link.answer(far_reader))
        await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
        for task in (asking, answering):
            task.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)
        self._links -= {writer, far_writer}
        for end in (writer, far_writer):
            end.transport.abort()

    async def wait(self) -> None:
        await self._flows.wait()


class _Link:
    """One connection's two directions."""

    def __init__(self, proxy: TcpProxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._answer_is_lost = False

    async def ask(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                wanted = self._proxy.loses_answer_to
                if wanted and wanted in data:
                    self._proxy.loses_answer_to, self._answer_is_lost = b"", True
                await self._proxy.wait()
                self._far.write(data)
                await self._far.drain()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self._answer_is_lost:
                    self._proxy.lost += 1
                    return
                await asyncio.sleep(self._proxy.answer_delay)
                await self._proxy.wait()
                self._near.write(data)
                await self._near.drain()
