"""Send spooled lines to the log intake, in batches, until they are stored.

A line waits at most 100 ms while the intake answers: sent at once when nothing was sent lately, together with what
came in the meantime otherwise. Whatever goes wrong, the lines stay in the spool and are tried again with back-off;
what is left at the end is counted and shipped by the next pod that mounts the volume. It never blocks the agent.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .config import RunConfig
from .journal import Journal
from .spool import Spool, SpooledLine

BATCH_LINES = 1000
BATCH_BYTES = 900 * 1024  # leaves room for the envelope and for escapes below the intake's 1 MiB
INTERVAL = 0.1
BACKOFF_FIRST, BACKOFF_MOST = 0.2, 15.0
REQUEST_TIMEOUT = 10.0


class Refused(Exception):
    """The intake will not take these lines, now or later."""


class TooLarge(Exception):
    """The intake wants smaller batches."""


class Unavailable(Exception):
    """The intake could not be asked, or will take them later."""


@dataclass(frozen=True)
class Envelope:
    command_id: str
    epoch: int
    machine_id: str

    def body(self, attempt: int, lines: list[SpooledLine]) -> bytes:
        content = {
            "commandId": self.command_id,
            "attempt": attempt,
            "epoch": self.epoch,
            "machineId": self.machine_id,
            "lines": [line.to_json() for line in lines],
        }
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


class Intake:
    """One kept-alive connection; the token is read again for each new one, since the kubelet rotates the file."""

    def __init__(self, url: str, token_file: str) -> None:
        self._parts = urlsplit(url)
        self._token_file = token_file
        self._connection: http.client.HTTPConnection | None = None
        self._token = ""

    def post(self, body: bytes) -> None:
        try:
            status, reason = self._exchange(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unavailable(f"{type(error).__name__}: {error}") from None
        if status == 200:
            return
        if status in (400, 422):
            raise Refused(reason)
        if status == 413:
            raise TooLarge(reason)
        self.close()
        raise Unavailable(f"HTTP {status} {reason}")

    def _exchange(self, body: bytes) -> tuple[int, str]:
        connection = self._connection or self._connect()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        connection.request("POST", self._parts.path.rstrip("/") + "/intake/v1/logs", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(64 * 1024).decode("utf-8", "replace")[:300]

    def _connect(self) -> http.client.HTTPConnection:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=REQUEST_TIMEOUT)
        try:
            self._token = Path(self._token_file).read_text().strip()
        except OSError:
            self._token = ""
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Shipper:
    def __init__(self, config: RunConfig, journal: Journal, spools: list[Spool]) -> None:
        self._journal = journal
        self._spools = spools  # this attempt's first, then what earlier ones left
        self._intake = Intake(config.intake_url, config.token_file)
        self._envelope = Envelope(config.command_id, config.epoch, config.machine_id)
        self._size = BATCH_LINES
        self._failures = 0
        self._complained = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self.refused = 0

    def start(self) -> None:
        self._thread.start()

    def drain(self, deadline: float) -> None:
        """Ship what is left, but no longer than this (monotonic)."""
        self._stop_at = deadline
        self._journal.arrived.set()
        self._thread.join(max(0.0, deadline - time.monotonic()) + 0.2)

    def _run(self) -> None:
        while not self._is_over():
            sent_at = time.monotonic()
            try:
                self._ship_next()
            except Unavailable as error:
                self._step_back(error)
                continue
            self._failures = 0
            self._pause(INTERVAL - (time.monotonic() - sent_at))
        self._intake.close()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        return time.monotonic() >= self._stop_at or not any(spool.pending_lines for spool in self._spools)

    def _ship_next(self) -> None:
        self._journal.arrived.clear()
        for spool in self._spools:
            lines = spool.batch(self._size, BATCH_BYTES)
            if lines:
                self._send(spool, lines)
                return
        if self._stop_at is None:
            self._journal.arrived.wait(1.0)

    def _send(self, spool: Spool, lines: list[SpooledLine]) -> None:
        try:
            self._intake.post(self._envelope.body(spool.attempt, lines))
        except (Refused, TooLarge) as error:
            self._narrow_down(spool, lines, error)
            return
        spool.ack(lines[-1].seq)
        self._size = min(BATCH_LINES, self._size * 2)

    def _narrow_down(self, spool: Spool, lines: list[SpooledLine], error: Exception) -> None:
        """One bad line must not hold up the others: halve the batch until it is alone, then leave it out."""
        if len(lines) > 1:
            self._size = max(1, len(lines) // 2)
            return
        self.refused += 1
        if self.refused <= 3:
            self._journal.note(f"the log intake refused line {lines[0].seq}: {error}", problem=True)
        spool.ack(lines[0].seq)

    def _step_back(self, error: Unavailable) -> None:
        self._failures += 1
        if self._failures == 3 and not self._complained:
            self._complained = True
            self._journal.note(f"the log intake does not take lines, they are kept and sent later: {error}", True)
        most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(self._failures, 10))
        if self._stop_at is not None:
            most = min(most, 0.5)
        self._pause(most * random.uniform(0.5, 1.0))  # noqa: S311 - only to spread the load

    def _pause(self, seconds: float) -> None:
        """Sleep, but wake up when the end was announced."""
        end = time.monotonic() + seconds
        announced = self._stop_at
        while time.monotonic() < end and self._stop_at == announced:
            time.sleep(max(0.0, min(0.05, end - time.monotonic())))


def describe(shipper: Shipper | None) -> dict[str, Any]:
    return {} if shipper is None or not shipper.refused else {"refused": shipper.refused}
