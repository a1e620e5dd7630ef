"""What a log line is to everyone outside the store, and the two ports through which lines come and go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, order=True)
class AttemptKey:
    """Whose lines: one attempt of one command. The namespace is part of it so that a command of another
    tenant which claims the same command id neither reads nor fills this one's lines."""

    namespace: str
    command_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LogLine:
    seq: int
    stream: Stream
    ts: datetime
    message: str


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines of one attempt, as one sender sent them: in any order, and perhaps not for the first time."""

    key: AttemptKey
    epoch: int
    machine_id: str
    lines: Sequence[LogLine]


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt's log has come. `lines < last_sequence` says that earlier ones are still on their way."""

    lines: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: how many lines were new, and whose were refused because the command id is another
    namespace's."""

    new_lines: int
    refused: frozenset[AttemptKey]


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
