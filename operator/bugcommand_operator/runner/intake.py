"""One conversation with the log intake: what its answers mean for what was sent.

Only the intake's own words count. A page of a proxy in between, whatever its status, says nothing about a line: then
nothing is taken for stored and nothing is left out.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REQUEST_TIMEOUT = 10.0
_KNOWS_AFTER = "Mentu-Knows-After"
_FOREIGN = frozenset({"CommandOfAnotherNamespace", "CommandIdInUse"})
_OF_THE_CONTENT = ("lines.", "part", "data")
_OF_THE_LINES = frozenset({"RejectedByStore", "InvalidJSON"})


class Refused(Exception):
    """The intake will not take something of this, now or later."""


class TooLarge(Exception):
    """The intake wants less at once; `final` when it is the intake itself that says so."""

    def __init__(self, message: str, final: bool) -> None:
        super().__init__(message)
        self.final = final


class Undeliverable(Exception):
    """The intake will never take anything of this attempt."""


class Unavailable(Exception):
    """The intake could not be asked, or will take it later: not before so many seconds, if it said so."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass
class _Asked:
    path: str
    body: bytes
    reused: bool
    """Whether the connection had served before."""
    error: Exception | None = None


class Intake:
    """One kept-alive connection; the token is read again for each new one, since the kubelet rotates the file."""

    def __init__(self, url: str, token_file: str, on_token: Callable[[str], None] = lambda _token: None) -> None:
        self._url, self._parts = url, urlsplit(url)
        self._token_file = token_file
        self._on_token = on_token
        self._connection: http.client.HTTPConnection | None = None
        self._token = ""
        self._asked: _Asked | None = None
        self.knows_after = False
        """Whether this connection's last answer said that what is sent `after` lines is never stored before them."""
        self.sent_at = 0.0
        """When the last request was sent (monotonic)."""

    def twin(self) -> Intake:
        """A second connection to the same intake."""
        return Intake(self._url, self._token_file, self._on_token)

    def post(self, path: str, body: bytes) -> int:
        """The number up to which things are stored now."""
        self.send(path, body)
        return self.answer()

    def send(self, path: str, body: bytes) -> None:
        """The first half of `post`: nothing is told of it before `answer`."""
        self._asked = _Asked(path, body, reused=self._connection is not None)
        self.sent_at = time.monotonic()
        try:
            self._request(path, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._asked.error = error

    def answer(self) -> int:
        try:
            status, text, wait = self._answer()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unavailable(f"{type(error).__name__}: {error}") from None
        told = _object(text)
        acked = told.get("acked")
        if status == 200 and isinstance(acked, int) and not isinstance(acked, bool):
            return acked
        refusal = _refusal(status, told, text, wait)
        if isinstance(refusal, Unavailable):
            self.close()
        raise refusal

    def _answer(self) -> tuple[int, str, float]:
        """An idle connection may have been closed by the other side meanwhile: that is no failure of the intake."""
        asked, self._asked = self._asked, None
        if asked is None:
            raise http.client.ResponseNotReady
        try:
            if asked.error is not None:
                raise asked.error
            return self._read_answer()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            if not asked.reused:
                raise
            self.close()
            self._request(asked.path, asked.body)
            return self._read_answer()

    def _request(self, path: str, body: bytes) -> None:
        connection = self._connection or self._connect()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        connection.request("POST", self._parts.path.rstrip("/") + path, body, headers)

    def _read_answer(self) -> tuple[int, str, float]:
        answer = (self._connection or self._connect()).getresponse()
        self.knows_after = answer.status == HTTPStatus.OK and answer.getheader(_KNOWS_AFTER) == "1"
        told = answer.getheader("Retry-After") or ""
        wait = float(told) if told.isascii() and told.isdecimal() else 0.0
        text = answer.read(64 * 1024).decode("utf-8", "replace")
        if not answer.isclosed():  # more than we want to read: the connection is of no use any more
            self.close()
        return answer.status, text, wait

    def _connect(self) -> http.client.HTTPConnection:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=REQUEST_TIMEOUT)
        self._token = read_token(self._token_file)
        self._on_token(self._token)
        return self._connection

    def close(self) -> None:
        """The next one may be another gateway's, which may not know what this one knew."""
        self.knows_after = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _refusal(status: int, told: dict[str, Any], text: str, wait: float) -> Exception:
    reason, field = str(told.get("reason") or ""), str(told.get("field") or "")
    words = f"{reason}: {told.get('message')}" if reason else text[:300]
    if status in (400, 422) and (field.startswith(_OF_THE_CONTENT) or reason in _OF_THE_LINES):
        return Refused(words[:300])
    if status == 413:
        return TooLarge(words[:300], final=reason == "TooLarge")
    if status == 403 and reason in _FOREIGN:
        return Undeliverable(words[:300])
    return Unavailable(f"HTTP {status} {words[:300]}", wait)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
