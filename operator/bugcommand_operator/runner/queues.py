"""What waits to be sent, in parcels: the lines of an attempt, the parts of a recording.

A queue knows what one request holds and what an answer means for it; when to send is the shipper's.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from .spool import Batch, Spool

BATCH_LINES = 5000
BATCH_BYTES = 900 * 1024  # leaves room for the envelope and for escapes below the intake's 1 MiB
LOGS = "/intake/v1/logs"
_SAID = 3


@dataclass(frozen=True)
class Envelope:
    command_id: str
    epoch: int
    machine_id: str

    def of_lines(self, attempt: int, batch: Batch, after: int = 0) -> bytes:
        """The lines as they stand in the spool: making their JSON anew would be most of the cost of sending."""
        whose = {"commandId": self.command_id, "attempt": attempt, "epoch": self.epoch, "machineId": self.machine_id}
        whose = {**whose, "after": after} if after else whose
        return encoded(whose)[:-1] + b', "lines": [' + batch.raw[:-1].replace(b"\n", b",\n") + b"]}"


def encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True)
class Parcel:
    path: str
    body: bytes
    last: int
    count: int = 1


class Queue(ABC):
    """Each steps back on its own: what an earlier attempt left never delays this one."""

    def __init__(self) -> None:
        self.wait_for = False
        self.failures = 0
        self.not_before = 0.0

    @property
    @abstractmethod
    def pending(self) -> int:
        """How much waits here that can still be sent."""

    @property
    def is_waited_for(self) -> bool:
        """At the end, although it has failed."""
        return self.wait_for

    @property
    def has_much(self) -> bool:
        """More than one request takes, or what the last one has left: no reason to wait for company."""
        return False

    @abstractmethod
    def take(self) -> Parcel | None:
        """The next one to send; the same again until it was answered."""

    def take_ahead(self, parcel: Parcel) -> Parcel | None:  # noqa: ARG002
        """A full one that comes after `parcel`, which has no answer yet."""
        return None

    @abstractmethod
    def stored(self, parcel: Parcel) -> None:
        """The intake has it."""

    @abstractmethod
    def refused(self, parcel: Parcel, why: str) -> str:
        """It will not be taken as it is. What there is to say about that."""

    @abstractmethod
    def give_up(self, why: str) -> None:
        """Nothing of this will ever be taken."""


class LineQueue(Queue):
    """The lines of one attempt."""

    def __init__(self, spool: Spool, envelope: Envelope) -> None:
        super().__init__()
        self.spool = spool
        self.dropped = 0
        self._envelope = envelope
        self._size = BATCH_LINES
        self._seen = 0  # the last line that was there when a parcel was taken

    @property
    def pending(self) -> int:
        return 0 if self.spool.undeliverable else self.spool.pending_lines

    @property
    def lost(self) -> int:
        """Lines that the intake will never take."""
        return self.dropped + (self.spool.pending_lines if self.spool.undeliverable else 0)

    @property
    def has_much(self) -> bool:
        has_waited = self.pending > 0 and self.spool.acked < self._seen
        return has_waited or self.pending > self._size or self.spool.pending_bytes > BATCH_BYTES

    def take(self) -> Parcel | None:
        last = self._seen = self.spool.last_seq
        batch = self.spool.batch(self._size, BATCH_BYTES)
        if batch is None:
            self.spool.ack(last)  # numbers without a line: somebody has cut the file
            return None
        return Parcel(LOGS, self._envelope.of_lines(self.spool.attempt, batch), batch.last, batch.count)

    def take_ahead(self, parcel: Parcel) -> Parcel | None:
        """None where the lines at hand would not fill it: those may as well wait for the answer, and for company."""
        is_full = self.spool.last_seq - parcel.last >= BATCH_LINES or self.spool.unread_bytes > BATCH_BYTES
        if self._size < BATCH_LINES or not is_full:
            return None
        self._seen = self.spool.last_seq
        batch = self.spool.batch_after_that(BATCH_LINES, BATCH_BYTES)
        if batch is None:
            return None
        body = self._envelope.of_lines(self.spool.attempt, batch, after=parcel.last)
        return Parcel(LOGS, body, batch.last, batch.count)

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
