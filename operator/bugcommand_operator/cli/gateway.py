"""The gateway as the commands see it: rows by query, and a live stream; connections come and go underneath.

What fails for a passing reason is asked again, over a new connection, for a bounded time. That is safe: a page is used
whole or not at all, and what is posted means the same when it is posted twice.
"""

import http.client
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from bugcommand_operator.cli.errors import TokenRefused, Unreachable
from bugcommand_operator.cli.lines import ProtocolError
from bugcommand_operator.cli.transport import Connection

TRY_SECONDS = 20.0
STREAM_SILENCE_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

Row = dict[str, Any]


class Access(Protocol):
    """Where the gateway is and what opens it; both may have changed after an error."""

    def url(self, *, anew: bool = False) -> str: ...

    def token(self, *, anew: bool = False) -> str: ...


@dataclass
class Gateway:
    access: Access
    say: Callable[[str], None] = lambda text: None  # noqa: ARG005
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    try_seconds: float = TRY_SECONDS
    _connection: Connection | None = field(default=None, init=False)

    def rows(self, table: str, query: Mapping[str, str]) -> list[Row]:
        """Rows of `/rest/v1/<table>` in PostgREST's dialect."""
        value = self._patiently(lambda: self._connected().get(f"/rest/v1/{table}", query))
        if not isinstance(value, list):
            raise ProtocolError("the gateway's answer is no list of rows", "Is --gateway the address of a gateway?")
        return value

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Only what may be said twice: when an answer is lost, it is said again."""
        self._patiently(lambda: self._connected().post(path, body))

    def stream(self, query: Mapping[str, str], last_event_id: str) -> tuple[Connection, http.client.HTTPResponse]:
        """One attempt at the live stream, on a connection of its own that the caller closes."""
        connection = Connection(self.access.url(), self.access.token(), STREAM_SILENCE_SECONDS)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        try:
            return connection, connection.open("/live/v1/spawn_logs", query, headers)
        except BaseException:
            connection.close()
            raise

    def renew(self, *, token: bool = False) -> None:
        """Another way there after an error: a new connection, a new port-forward if that one has ended."""
        self.close()
        if token:
            self.access.token(anew=True)
        else:
            self.access.url(anew=True)

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self.access.url(), self.access.token())
        return self._connection

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        deadline, pause, refused = self.clock() + self.try_seconds, _FIRST_PAUSE, False
        while True:  # ends at the deadline: pauses only grow
            try:
                return ask()
            except TokenRefused:
                self.close()
                if refused:
                    raise
                refused = True  # tokens expire: one new one is worth a try
                self.access.token(anew=True)
            except Unreachable as error:
                self.close()
                if self.clock() + pause > deadline:
                    raise
                if pause == _FIRST_PAUSE:
                    self.say(f"{error}; trying again for {self.try_seconds:.0f} s")
                self.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._renew_quietly()

    def _renew_quietly(self) -> None:
        """What keeps the way from being made anew is told by the next attempt."""
        with suppress(Unreachable):
            self.renew()
