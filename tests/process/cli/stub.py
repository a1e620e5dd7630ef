"""A gateway of threads: the tables in PostgREST's dialect and the live feed, whose connections can be cut anywhere."""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.unit.cli.fakes import COMMAND, Row, Tables, row

TOKEN = "a-good-token"


@dataclass
class StubGateway:
    """`cuts` says after how many bytes each next live stream is cut, `broken` how many queries are cut before they
    are answered whole, `status` makes every answer that status."""

    tables: Tables = field(default_factory=lambda: Tables({"spawn_logs": [], "spawn_recordings": []}))
    cuts: list[int] = field(default_factory=list)
    broken: int = 0
    status: int = 200
    streams: list[str] = field(default_factory=list)
    seen_tokens: list[str] = field(default_factory=list)
    refused_tokens: set[str] = field(default_factory=set)
    posted: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grown = threading.Condition()
        self.ended = False

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, *rows: Row) -> None:
        with self.grown:
            self.tables.tables["spawn_logs"] += rows
            self.grown.notify_all()

    def add_lines(self, attempt: int, first: int, last: int) -> None:
        self.add(*(row(attempt, seq) for seq in range(first, last + 1)))

    def after(self, cursor: dict[int, int]) -> list[Row]:
        rows = [each for each in self.tables.tables["spawn_logs"] if each["seq"] > cursor.get(each["attempt"], 0)]
        return sorted(rows, key=lambda each: (each["attempt"], each["seq"]))

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        with self.grown:
            self.grown.notify_all()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub: StubGateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        stub = self.stub
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        stub.seen_tokens.append(token)
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        status = 401 if token in stub.refused_tokens else stub.status
        if status != 200:
            self._json({"reason": "Refused", "message": "no \x1b[31mway"}, status)
        elif path == "/live/v1/spawn_logs":
            self._live()
        elif path.startswith("/rest/v1/"):
            self._rest(path.rpartition("/")[2], query)
        else:
            self._json({"message": "no such path"}, 404)

    def do_POST(self) -> None:
        stub = self.stub
        stub.seen_tokens.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if stub.status != 200:
            self._json({"reason": "Refused", "message": "no"}, stub.status)
            return
        stub.posted.append((self.path, body))
        broken = stub.broken > 0
        stub.broken -= broken
        self._json({"ok": True}, 200, cut=broken)

    def _rest(self, table: str, query: dict[str, str]) -> None:
        with self.stub.grown:
            rows = self.stub.tables.rows(table, query)
            broken = self.stub.broken > 0
            self.stub.broken -= broken
        self._json(rows, 200, cut=broken)

    def _json(self, value: Any, status: int, *, cut: bool = False) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._cut()

    def _live(self) -> None:
        """Level-based, as the gateway is: what is after the cursor, then what comes."""
        stub, last = self.stub, self.headers.get("Last-Event-ID", "")
        stub.streams.append(last)
        cursor = {int(a): int(s) for a, s in (part.split(":") for part in last.split(",") if part)}
        left = stub.cuts.pop(0) if stub.cuts else None
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            left = self._chunk(b": hello\r\n\r\n", left)
            while not stub.ended:
                with stub.grown:
                    stub.grown.wait_for(lambda: stub.ended or stub.after(cursor), timeout=1)
                    rows = stub.after(cursor)[:50]
                for each in rows:
                    cursor[each["attempt"]] = each["seq"]
                    where = ",".join(f"{a}:{s}" for a, s in sorted(cursor.items()))
                    left = self._chunk(f"id: {where}\r\nevent: line\r\ndata: {json.dumps(each)}\r\n\r\n".encode(), left)
        except OSError:
            self.close_connection = True

    def _chunk(self, data: bytes, left: int | None) -> int | None:
        whole = b"%x\r\n%s\r\n" % (len(data), data)
        if left is not None and left <= len(whole):
            self.wfile.write(whole[:left])
            self._cut()
            raise ConnectionAbortedError
        self.wfile.write(whole)
        return None if left is None else left - len(whole)

    def _cut(self) -> None:
        """As when the gateway is killed: the connection is reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


__all__ = ["COMMAND", "TOKEN", "StubGateway", "row"]
