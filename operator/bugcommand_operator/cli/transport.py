"""HTTP to the gateway, one connection that is kept open: every call bounded in time and size, errors by class.

Redirects are not followed: the token is for this gateway and goes nowhere else.
"""

import http.client
import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from bugcommand_operator.cli.errors import CliError, Conflict, NotAllowed, NotFound, TokenRefused, Unreachable, Usage
from bugcommand_operator.cli.lines import ProtocolError
from bugcommand_operator.cli.safe_text import visible

MAX_ANSWER = 128 << 20
SECONDS = 30.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def parsed(url: str) -> SplitResult:
    """The gateway's address. Raises `Usage` with an example."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise Usage(f"{visible(url)!r} is no gateway's address", "Write it like https://mentu.example.com.")
    if parts.username or parts.query or parts.fragment:
        raise Usage("the gateway's address takes no user, query or fragment", "Give a token with --token.")
    return parts


def is_private(url: str) -> bool:
    """Whether what is sent there can be read by nobody on the way."""
    parts = parsed(url)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK


@dataclass
class Connection:
    """One connection to a gateway; after an error it has to be opened anew."""

    url: str
    token: str
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        parts = parsed(self.url)
        self._base = parts.path.rstrip("/")
        self._open = _connection(parts, self.seconds)
        self._socket: socket.socket | None = None
        direct = parts.scheme == "https" or self._open.host == parts.hostname
        self._target = "" if direct else f"{parts.scheme}://{parts.netloc}"  # a plain proxy wants the whole address

    def get(self, path: str, query: Mapping[str, str]) -> Any:
        """The JSON of an answer. Raises a `CliError`; `Unreachable` says that trying again may help."""
        return self._json(self.open(path, query, {"Accept": "application/json"}))

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        response = self.open(path, {}, headers, json.dumps(body).encode())
        try:
            response.read(MAX_ANSWER + 1)  # what is left unread is in the way of the next one
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the gateway broke off its answer: {_what(error)}") from error

    def _json(self, response: http.client.HTTPResponse) -> Any:
        try:
            data = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the gateway broke off its answer: {_what(error)}") from error
        if response.length and len(data) <= MAX_ANSWER:  # http.client tells of it only when all is read without a bound
            raise Unreachable(f"the gateway broke off its answer, {response.length} bytes before its end")
        if len(data) > MAX_ANSWER:
            raise ProtocolError(f"the gateway's answer is larger than {MAX_ANSWER} bytes")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ProtocolError("the gateway's answer is not JSON", "Is --gateway the address of a gateway?") from error

    def open(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """An answer whose body is still to be read. With a body it is a POST."""
        asked = f"?{urlencode(query, safe=',.:', quote_via=quote)}" if body is None else ""
        target = f"{self._target}{self._base}{path}{asked}"
        auth = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            method = "GET" if body is None else "POST"
            self._open.request(method, target, body, {**auth, **headers, "User-Agent": "kubectl-bug"})
            self._socket = self._open.sock  # the answer takes it over when it is the connection's last one
            response = self._open.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the gateway at {self.url} does not answer: {_what(error)}", _TRY) from error
        if not 200 <= response.status < 300:
            raise _refusal(response)
        return response

    def close(self) -> None:
        """Also for an answer that another thread is reading: it ends there."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._open.close()


def _connection(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    proxy = None if host in _LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)
    via = urlsplit(proxy if "//" in proxy else f"//{proxy}") if proxy else None
    to, at = (via.hostname or "", via.port or 80) if via else (host, port)
    if not secure:
        return http.client.HTTPConnection(to, at, timeout=seconds)
    connection = http.client.HTTPSConnection(to, at, timeout=seconds, context=ssl.create_default_context())
    if via:
        connection.set_tunnel(host, port, headers=_proxy_credentials(via))
    return connection


def _proxy_credentials(via: SplitResult) -> dict[str, str]:
    if via.username is None:
        return {}
    plain = f"{unquote(via.username)}:{unquote(via.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(plain).decode()}"}


RIGHT_TO_READ = "Reading logs takes the right to `get` bugcommands.mentu.dev in the namespace."
_TRY = "See whether the gateway's pod is ready, or name its address with --gateway."


def _refusal(response: http.client.HTTPResponse) -> CliError:
    """What an answer other than 200 means; the gateway's own words are kept."""
    status, said = response.status, _message(response)
    text = f"the gateway refuses: {said}" if said else f"the gateway answers {status}"
    if status == http.client.UNAUTHORIZED:
        return TokenRefused(text, "Give a token that it takes with --token or MENTU_TOKEN, or log in to the cluster.")
    if status == http.client.FORBIDDEN:
        return NotAllowed(text, RIGHT_TO_READ)
    if status == http.client.NOT_FOUND:
        return NotFound(text)
    if status == http.client.CONFLICT:
        return Conflict(text)
    if status in (http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS) or status >= 500:
        return Unreachable(f"the gateway cannot answer now ({status}{': ' if said else ''}{said})", _TRY)
    return CliError(f"{text} ({status})")


def _message(response: http.client.HTTPResponse) -> str:
    try:
        body = json.loads(response.read(1 << 16))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return ""
    return visible(str(body.get("message") or ""))[:500] if isinstance(body, dict) else ""


def _what(error: Exception) -> str:
    return visible(str(error) or type(error).__name__)
