"""What a stranger may hold open before we know who it is: so many connections in all and from one address, so many
bytes of headers, and so long until they are complete. Everything behind this has bounds of its own.

It wraps uvicorn's two protocols and changes nothing else about them.
"""

import asyncio
import logging
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_HEADER_BYTES = 32 << 10  # a token may have 16 KiB
_REASON = b'{"reason":"Overloaded","message":"too many connections are open"}'
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_REASON), _REASON)
)
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_UNREAD_MILLISECONDS = 90_000
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.WARNING)


@dataclass
class ConnectionLimits:
    """Counts what is open. `client` is an address; a proxy in front of the gateway counts as one."""

    total: int
    per_client: int
    header_seconds: float = 10.0
    open: int = 0
    _by_client: Counter[str] = field(default_factory=Counter)

    def admit(self, client: str) -> bool:
        if self.open >= self.total or self._by_client[client] >= self.per_client:
            return False
        self.take(client)
        return True

    def take(self, client: str) -> None:
        self.open += 1
        self._by_client[client] += 1

    def release(self, client: str) -> None:
        self.open -= 1
        self._by_client[client] -= 1
        if self._by_client[client] <= 0:
            del self._by_client[client]


class _Http(HttpToolsProtocol):
    limits: ClassVar[ConnectionLimits]
    _admitted = False
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _give_up_on_the_silent(transport)
        self._address = self.client[0] if self.client else ""
        self._admitted = self.limits.admit(self._address)
        if self._admitted:
            self._await_headers()
        else:
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._admitted or self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._await_headers()  # also when the rest of a refused body comes in, so that it has an end
        self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_headers, self._header_bytes = True, 0
        self._await_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._headers_came()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        self._release()  # the WebSocket's protocol, which takes over, counts itself
        super().handle_websocket_upgrade()

    def _await_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.header_seconds, self.transport.close)

    def _headers_came(self) -> None:
        self._in_headers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _release(self) -> None:
        if self._admitted:
            self._admitted = False
            self.limits.release(self._address)


class _WebSocket(WebSocketsSansIOProtocol):
    limits: ClassVar[ConnectionLimits]
    _counted = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = self.conn.logger = _quiet  # they would write down URLs, which may hold a token

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.limits.take(self._address)
        self._counted = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counted:
            self._counted = False
            self.limits.release(self._address)
        super().connection_lost(exc)


def _give_up_on_the_silent(transport: asyncio.Transport) -> None:
    """A peer that is gone, or takes nothing: closing waits for what is not sent yet, for ever unless the kernel ends
    it. A WebSocket keeps what was set on its connection."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)


def http_protocol(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol within these limits."""
    return type("LimitedHttp", (_Http,), {"limits": limits})


def websocket_protocol(limits: ConnectionLimits) -> type[WebSocketsSansIOProtocol]:
    """uvicorn's WebSocket protocol, counted. It was admitted as HTTP."""
    return type("CountedWebSocket", (_WebSocket,), {"limits": limits})
