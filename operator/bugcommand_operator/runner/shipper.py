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
from urllib.parse import urlsplit

from .config import RunConfig
from .journal import Journal
from .spool import Spool, SpooledLine

BATCH_LINES = 1000
BATCH_BYTES = 900 * 1024  # leaves room for the envelope and for escapes below the intake's 1 MiB
INTERVAL = 0.1
BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_AT_END = 0.2, 15.0, 0.5
IDLE = 0.25
REQUEST_TIMEOUT = 10.0


class Refused(Exception):
    """The intake will not take these lines, now or later."""


class TooLarge(Exception):
    """The intake wants smaller batches."""


class Unavailable(Exception):
    """The intake could not be asked, or will take them later: not before so many seconds, if it said so."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


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
            status, reason, wait = self._exchange(body)
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
        raise Unavailable(f"HTTP {status} {reason}", wait)

    def _exchange(self, body: bytes) -> tuple[int, str, float]:
        connection = self._connection or self._connect()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        connection.request("POST", self._parts.path.rstrip("/") + "/intake/v1/logs", body, headers)
        answer = connection.getresponse()
        told = answer.getheader("Retry-After") or ""
        wait = float(told) if told.isdigit() else 0.0
        return answer.status, answer.read(64 * 1024).decode("utf-8", "replace")[:300], wait

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


@dataclass
class _Queue:
    """A spool on its way out. Each steps back on its own: what an earlier attempt left never delays this one."""

    spool: Spool
    size: int = BATCH_LINES
    failures: int = 0
    not_before: float = 0.0


class Shipper:
    def __init__(self, config: RunConfig, journal: Journal, spools: list[Spool]) -> None:
        self._journal = journal
        self._queues = [_Queue(spool) for spool in spools]  # this attempt's first, then what earlier ones left
        self._intake = Intake(config.intake_url, config.token_file)
        self._envelope = Envelope(config.command_id, config.epoch, config.machine_id)
        self._complained = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self.refused = 0

    def start(self) -> None:
        self._thread.start()

    def drain(self, deadline: float) -> None:
        """Ship what is left, but no longer than this (monotonic)."""
        self._stop_at = deadline
        for queue in self._queues:
            queue.not_before = 0.0
        self._journal.arrived.set()
        self._thread.join(max(0.0, deadline - time.monotonic()) + 0.2)

    def _run(self) -> None:
        while not self._is_over():
            started = time.monotonic()
            self._journal.arrived.clear()
            if self._ship_next(started):
                self._pause(INTERVAL - (time.monotonic() - started))
            elif self._stop_at is None:
                self._journal.arrived.wait(IDLE)
            else:
                time.sleep(0.02)
        self._intake.close()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        own, *left_behind = self._queues
        waited_for = [own, *(queue for queue in left_behind if not queue.failures)]
        return time.monotonic() >= self._stop_at or not any(queue.spool.pending_lines for queue in waited_for)

    def _ship_next(self, now: float) -> bool:
        """Send one batch of the first spool that has something and need not wait; False if there was none."""
        for queue in self._queues:
            if now < queue.not_before:
                continue
            lines = queue.spool.batch(queue.size, BATCH_BYTES)
            if lines:
                self._send(queue, lines)
                return True
        return False

    def _send(self, queue: _Queue, lines: list[SpooledLine]) -> None:
        try:
            self._intake.post(self._envelope.body(queue.spool.attempt, lines))
        except (Refused, TooLarge) as error:
            self._narrow_down(queue, lines, error)
        except Unavailable as error:
            self._step_back(queue, error)
        else:
            queue.spool.ack(lines[-1].seq)
            queue.failures, queue.not_before = 0, 0.0
            queue.size = min(BATCH_LINES, queue.size * 2)

    def _narrow_down(self, queue: _Queue, lines: list[SpooledLine], error: Exception) -> None:
        """One bad line must not hold up the others: halve the batch until it is alone, then leave it out."""
        if len(lines) > 1:
            queue.size = max(1, len(lines) // 2)
            return
        self.refused += 1
        if self.refused <= 3:
            self._journal.note(f"the log intake refused line {lines[0].seq}: {error}", problem=True)
        queue.spool.ack(lines[0].seq)

    def _step_back(self, queue: _Queue, error: Unavailable) -> None:
        queue.failures += 1
        if queue.failures == 3 and not self._complained:
            self._complained = True
            self._journal.note(f"the log intake does not take lines, they are kept and sent later: {error}", True)
        longest = BACKOFF_MOST if self._stop_at is None else BACKOFF_AT_END
        most = min(longest, BACKOFF_FIRST * 2 ** min(queue.failures, 10))
        wait = min(error.wait, longest) + most * random.uniform(0.5, 1.0)  # noqa: S311 - only to spread the load
        queue.not_before = time.monotonic() + wait

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
