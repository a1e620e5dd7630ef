"""A log intake to ship to: keeps what it stores, first write wins, and can be told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], "int | None"]


class FakeIntake:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, int], str] = {}
        self.batches: list[dict[str, Any]] = []
        self.recordings: dict[tuple[int, int], str] = {}
        self.takes_recordings = True
        self.tokens: list[str] = []
        self.connections = 0
        self.retry_after = ""
        self.refusal: dict[str, str] = {}
        self.page = b""
        self.knows_after = False
        self.connections_that_know = 1000
        self.carried_ahead: set[int] = set()  # by which connections
        self.too_early = 0
        self.patience = 0.0  # for the lines before others
        self.under_way = self.most_under_way = 0
        self.hangs_up = False  # after each answer, without saying so
        self.misbehave: Answer = lambda _batch: None
        self.changed = threading.Condition()
        self.url = ""

    def take(self, batch: dict[str, Any], token: str) -> int:
        with self.changed:
            self.batches.append(batch)
            self.tokens.append(token)
            status = self._too_early(batch) or self.misbehave(batch) or 200
            if status in (200, 599):  # 599: stored, but the answer is lost
                for line in batch["lines"]:
                    self.rows.setdefault((batch["commandId"], batch["attempt"], line["seq"]), line["message"])
            self.changed.notify_all()
            return status

    def _too_early(self, batch: dict[str, Any]) -> int | None:
        """What was sent after lines that are not stored is not stored either."""
        before = (batch["commandId"], batch["attempt"], batch.get("after", 0))
        if not before[2] or self.changed.wait_for(lambda: before in self.rows, self.patience):
            return None
        self.too_early += 1
        return 503

    def begins(self, by: int) -> None:
        """Requests whose headers have come and that are not answered."""
        with self.changed:
            self.under_way += by
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.changed.notify_all()

    def cast(self, attempt: int = 1) -> str:
        return "".join(data for (of, _), data in sorted(self.recordings.items()) if of == attempt)

    def take_part(self, part: dict[str, Any]) -> int:
        with self.changed:
            if self.takes_recordings:
                self.recordings.setdefault((part["attempt"], part["part"]), part["data"])
            self.changed.notify_all()
            return 200 if self.takes_recordings else 404

    def messages(self, attempt: int = 1) -> list[str]:
        return [text for (_, of, _), text in sorted(self.rows.items()) if of == attempt]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, seconds), f"only {len(self.rows)} rows, {len(self.batches)} batches"


def _handler(intake: FakeIntake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            intake.connections += 1
            self.number = intake.connections

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            intake.begins(1)
            try:
                self._answer()
            finally:
                intake.begins(-1)

        def _answer(self) -> None:
            batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/intake/v1/recordings":
                status, acked = intake.take_part(batch), batch["part"]
            else:
                assert self.path == "/intake/v1/logs"
                if "after" in batch:
                    intake.carried_ahead.add(self.number)
                status = intake.take(batch, self.headers.get("Authorization", ""))
                acked = batch["lines"][-1]["seq"]
            if status == 599:
                self.close_connection = True
                return
            refusal = intake.refusal if status != 200 else None
            body = json.dumps(refusal or {"acked": acked}).encode()
            body = intake.page if status != 200 and intake.page else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if intake.knows_after and self.number <= intake.connections_that_know and status == 200:
                self.send_header("Mentu-Knows-After", "1")
            if intake.retry_after and status != 200:
                self.send_header("Retry-After", intake.retry_after)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or intake.hangs_up

    return Handler


@contextmanager
def running_intake() -> Iterator[FakeIntake]:
    intake = FakeIntake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(intake))
    server.daemon_threads = True
    intake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield intake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
