"""What waits to be sent, in parcels: the lines of an attempt, the parts of a recording.

A queue knows what one request holds and what an answer means for it; when to send is the shipper's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .spool import Spool, SpooledLine

BATCH_LINES = 1000
BATCH_BYTES = 900 * 1024  # leaves room for the envelope and for escapes below the intake's 1 MiB
LOGS = "/intake/v1/logs"
_SAID = 3


@dataclass(frozen=True)
class Envelope:
    command_id: str
    epoch: int
    machine_id: str

    def of_lines(self, attempt: int, lines: list[SpooledLine]) -> bytes:
        return encoded(
            {
                "commandId": self.command_id,
                "attempt": attempt,
                "epoch": self.epoch,
                "machineId": self.machine_id,
                "lines": [line.to_json() for line in lines],
            }
        )


def encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True)
class Parcel:
    path: str
    body: bytes
    last: int
    count: int = 1


class Queue:
    """Each steps back on its own: what an earlier attempt left never delays this one."""

    is_waited_for = False  # at the end, although it has failed

    def __init__(self) -> None:
        self.failures = 0
        self.not_before = 0.0

    @property
    def pending(self) -> int:
        raise NotImplementedError

    def take(self) -> Parcel | None:
        """The next one to send; the same again until it was answered."""
        raise NotImplementedError

    def stored(self, parcel: Parcel) -> None:
        raise NotImplementedError

    def refused(self, parcel: Parcel, why: str) -> str:
        """It will not be taken as it is. What there is to say about that."""
        raise NotImplementedError

    def give_up(self, why: str) -> None:
        raise NotImplementedError


class LineQueue(Queue):
    def __init__(self, spool: Spool, envelope: Envelope) -> None:
        super().__init__()
        self.spool = spool
        self.dropped = 0
        self._envelope = envelope
        self._size = BATCH_LINES

    @property
    def pending(self) -> int:
        return 0 if self.spool.undeliverable else self.spool.pending_lines

    def take(self) -> Parcel | None:
        lines = self.spool.batch(self._size, BATCH_BYTES)
        if not lines:
            self.spool.ack(self.spool.last_seq)  # numbers without a line: a spool that somebody cut
            return None
        return Parcel(LOGS, self._envelope.of_lines(self.spool.attempt, lines), lines[-1].seq, len(lines))

    def stored(self, parcel: Parcel) -> None:
        self.spool.ack(parcel.last)
        self._size = min(BATCH_LINES, self._size * 2)

    def refused(self, parcel: Parcel, why: str) -> str:
        """One bad line must not hold up the others: halve the batch until it is alone, then leave it out."""
        if parcel.count > 1:
            self._size = max(1, parcel.count // 2)
            return ""
        self.dropped += 1
        self.spool.ack(parcel.last)
        return f"the log intake refused line {parcel.last}: {why}" if self.dropped <= _SAID else ""

    def give_up(self, why: str) -> None:
        self.spool.undeliverable = why
