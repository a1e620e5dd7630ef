"""Follows a log as it grows, and ends when the command has ended and every line of it was shown.

A thread reads the live stream into a bounded queue, so that a slow terminal slows the reading and nothing piles up.
Whatever happens to the stream, the position says where to go on; a line is given out once.
"""

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from bugcommand_operator.cli import sse
from bugcommand_operator.cli.errors import CliError, NotFound, TokenRefused, Unreachable
from bugcommand_operator.cli.lines import Line, Position, ProtocolError, lines_of
from bugcommand_operator.cli.reading import Log
from bugcommand_operator.cli.transport import Connection

IDLE_SECONDS = 2.0
"""So long without a line before the command's state is asked for: whoever writes has not finished."""
GIVE_UP_SECONDS = 900.0
LATE_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_WORTH_TELLING = 3
_PIECE = 1 << 16
_QUEUE = 256


class Streams(Protocol):
    def stream(self, query: Mapping[str, str], last_event_id: str) -> tuple[Connection, http.client.HTTPResponse]: ...

    def renew(self, *, token: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Finished:
    """The command has ended, with this many lines."""

    ends: Mapping[int, int]


State = Callable[[], Finished | None]
"""None while the command is running, or where that cannot be known."""


@dataclass
class Follower:
    gateway: Streams
    log: Log
    state: State
    position: Position
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    idle_seconds: float = IDLE_SECONDS
    _finished: Finished | None = field(default=None, init=False)

    def lines(self) -> Iterator[Line | None]:
        """Lines as they come; None when nothing more is there for the moment."""
        failures = _Failures(self.clock)
        while True:  # bounded by the command's end, or by GIVE_UP_SECONDS without a stream
            try:
                if failures.count and self._end() is not None:
                    yield from self._rest()
                    return
                for line in self._stream():
                    failures.forget()
                    yield line
                return
            except TokenRefused:
                if failures.token_was_renewed:
                    raise
                failures.token_was_renewed = True
                self.gateway.renew(token=True)
                continue
            except NotFound:  # nothing was written yet, or this gateway has no live feed: ask for what is stored
                yield from self.log.after(self.position)
                failures.add(self.idle_seconds)
            except Unreachable as error:
                self._tell(failures, error)
            yield None
            self.sleep(failures.pause)
            with suppress(Unreachable):
                self.gateway.renew()

    def _tell(self, failures: "_Failures", error: Unreachable) -> None:
        """One cut is nothing that a person has to know; a gateway that stays away is."""
        failures.add(_LONGEST_PAUSE)
        if failures.seconds > GIVE_UP_SECONDS:
            raise error
        if failures.count == _WORTH_TELLING:
            self.say(f"{error}; trying again")

    def _stream(self) -> Iterator[Line | None]:
        """One stream, until the command is over. Raises `Unreachable` when the stream ends before that."""
        query = {"command_id": f"eq.{self.log.command_id}"}
        connection, response = self.gateway.stream(query, self.position.cursor())
        reader = _Reader(connection, response)
        try:
            yield None
            quiet_since = self.clock()
            while True:  # each turn takes an event or waits for `idle_seconds`
                event = reader.next(self.idle_seconds)
                for line in self._new(event):
                    quiet_since = self.clock()
                    yield line
                if reader.is_empty:
                    yield None
                if self.clock() - quiet_since >= self.idle_seconds:
                    if self._end() is not None:
                        break
                    quiet_since = self.clock()
        finally:
            reader.close()
        yield from self._rest()

    def _end(self) -> Finished | None:
        """What was seen of the end stays true when nobody can be asked any more, or the object is deleted."""
        now = self.state()
        if now is not None:
            known = self._finished.ends if self._finished else {}
            self._finished = Finished({**known, **now.ends})
        return self._finished

    def _new(self, event: sse.ServerEvent | None) -> Iterator[Line]:
        if event is not None and event.kind == "refused":
            raise TokenRefused("the gateway no longer takes the token", "Log in again, or give one with --token.")
        if event is None or event.kind not in ("line", "message"):
            return
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError) as error:
            raise ProtocolError("the live feed sent what is not JSON") from error
        yield from filter(self.position.take, lines_of(value))

    def _rest(self) -> Iterator[Line | None]:
        """What the stream had not brought yet. Lines may still be on their way from the pod's spool for a moment."""
        deadline = self.clock() + LATE_SECONDS
        while True:  # ends at the deadline
            yield from self.log.after(self.position)
            yield None
            finished = self._end()
            if finished is None or self.position.covers(finished.ends):
                return
            if self.clock() > deadline:
                raise CliError(
                    "the command has ended, and its last lines have not arrived",
                    "They may still come: run the same without -f in a while.",
                )
            self.sleep(self.idle_seconds)


class _Failures:
    """Since a stream was open for the last time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        self.count, self.pause, self.token_was_renewed, self._since = 0, _FIRST_PAUSE, False, self._clock()

    def add(self, longest_pause: float) -> None:
        if self.count:
            self.pause = min(self.pause * 2, longest_pause)
        self.count += 1

    @property
    def seconds(self) -> float:
        return self._clock() - self._since


class _Reader:
    """Reads a stream in a thread of its own; what it finds, and how it ended, comes out of `next`."""

    def __init__(self, connection: Connection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response
        self._found: queue.Queue[sse.ServerEvent | CliError] = queue.Queue(_QUEUE)
        self._closed = False
        threading.Thread(target=self._read, name="live", daemon=True).start()

    @property
    def is_empty(self) -> bool:
        return self._found.empty()

    def next(self, seconds: float) -> sse.ServerEvent | None:
        try:
            found = self._found.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(found, CliError):
            raise found
        return found

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._connection.close()

    def _read(self) -> None:
        parser, end = sse.Parser(), "it has ended"
        try:
            while not self._closed and (piece := self._response.read1(_PIECE)):
                for event in parser.feed(piece):
                    self._put(event)
        except sse.TooLong as error:
            self._put(ProtocolError(str(error)))
            return
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
            end = str(error) or type(error).__name__
        self._put(Unreachable(f"the live feed broke off: {end}"))

    def _put(self, item: sse.ServerEvent | CliError) -> None:
        while not self._closed:
            try:
                return self._found.put(item, timeout=1)
            except queue.Full:
                continue
        return None
