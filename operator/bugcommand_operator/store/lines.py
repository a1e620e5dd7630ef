"""What a log line is to everyone outside the store, and the two ports through which lines come and go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

Stream = Literal["stdout", "stderr"]

TRUNCATED = "mentu: log truncated, this attempt has written more than is kept of one"
"""The last line of a log that has reached its cap; it stands where the first line that found no room would be."""


@dataclass(frozen=True, slots=True, order=True)
class AttemptKey:
    """Whose lines: one attempt of one command. The namespace is part of it so that a command of another
    tenant which claims the same command id neither reads nor fills this one's lines."""

    namespace: str
    command_id: str
    attempt: int


class LogLine(NamedTuple):
    """A tuple: there are thousands in a batch, and it is made in half the time."""

    seq: int
    stream: Stream
    ts: datetime
    message: str


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines of one attempt, as one sender sent them: in any order, and perhaps not for the first time.

    `command_uid` is the object's UID: a command id can be given to a second object, whose lines have the same
    keys and would pass for repetitions. Empty where it is not known. `after`: up to which line the sender has sent
    others that it has no answer to yet; where they are not stored, these are not either: no gap comes of it."""

    key: AttemptKey
    epoch: int
    machine_id: str
    lines: Sequence[LogLine]
    repository: str = ""
    command_uid: str = ""
    after: int = 0


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line with everything that is kept about it."""

    command_id: str
    attempt: int
    seq: int
    stream: Stream
    ts: datetime
    message: str
    epoch: int
    machine_id: str
    namespace: str
    day: date


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a command id is, and the day (of its first line) under which its rows are kept."""

    namespace: str
    repository: str
    day: date
    command_uid: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt's log has come. `lines < last_sequence` says that earlier ones are still on their way."""

    lines: int
    last_sequence: int
    truncated: bool = False


class Refusal(StrEnum):
    """Why a batch was not stored. Nothing of it was, and nothing of it is acknowledged."""

    ANOTHER_NAMESPACE = "CommandOfAnotherNamespace"
    ANOTHER_COMMAND = "CommandIdInUse"
    """The first object with this command id owns it; this batch is of a second one in the same namespace."""
    BEING_DELETED = "LogBeingDeleted"
    """The command's retention has ended and its rows are being deleted: temporary."""
    TOO_EARLY = "EarlierLinesMissing"
    """The lines that it was sent after are not stored: they and it are to be sent again, one after the other."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: how many lines were new; which batches were refused, by their place in what was given;
    what was stored, without repetitions, in order of `seq` for each attempt; how many lines were there already;
    and how many found no room below the attempt's cap: those are acknowledged, but only a marker in the log says
    that they were."""

    new_lines: int
    refused: Mapping[int, Refusal] = field(default_factory=dict)
    accepted: tuple[LogBatch, ...] = ()
    repeated: int = 0
    truncated: int = 0


class LogSink(Protocol):
    async def append(self, batches: Sequence[LogBatch]) -> Appended:
        """Store the lines in one transaction. A line that is already there stays as it was first written."""
        ...


class LogSource(Protocol):
    async def tail(self, key: AttemptKey, limit: int) -> list[LogLine]:
        """The last lines of an attempt, oldest first."""
        ...

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]:
        """How far each attempt of these commands has come; attempts without a line are absent."""
        ...

    async def read(
        self,
        command_id: str,
        *,
        namespace: str | None = None,
        attempt: int | None = None,
        after: tuple[int, int] = (0, 0),
        limit: int = 1000,
    ) -> list[LogRow]:
        """A page of a command's rows in order, beginning after the (attempt, seq) given."""
        ...
