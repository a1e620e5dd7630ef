"""Kubernetes' API over a connection that others give: objects, pages, changes, watches; errors by class.

Nothing is sent twice by itself: what may be asked again is for the caller to know.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlencode

from bugcommand_operator.cli.errors import CliError, Expired, Unreachable
from bugcommand_operator.cli.kube.refusals import refusal

Object = dict[str, Any]
SECONDS = 30.0
WATCH_SECONDS = 240
PAGE = 500
_MOST_PAGES = 10_000
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Connections(Protocol):
    def connection(self, seconds: float) -> http.client.HTTPConnection: ...

    def close(self) -> None: ...


class Api:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._open: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Object:
        return self._call("GET", path, query or {}, accept=accept)

    def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        query = {"dryRun": "All"} if dry_run else {}
        return self._call("POST", path, {**query, "fieldManager": "kubectl-bug", "fieldValidation": "Strict"}, body)

    def merge(self, path: str, change: Object) -> Object:
        """Changes what is named and leaves the rest, whatever others change meanwhile."""
        query = {"fieldManager": "kubectl-bug"}
        return self._call("PATCH", path, query, change, content_type="application/merge-patch+json")

    def pages(
        self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON, size: int = PAGE
    ) -> Iterator[Object]:
        """A list, part by part, so that neither side ever holds all of a long one."""
        goes_on = ""
        for _ in range(_MOST_PAGES):
            more = {"continue": goes_on} if goes_on else {}
            try:
                page = self.get(path, {**(query or {}), "limit": str(size), **more}, accept)
            except Expired as error:  # the server offers to go on with a newer state, when pages took too long
                if not goes_on or not error.goes_on:
                    raise
                goes_on = error.goes_on
                continue
            yield page
            goes_on = str((page.get("metadata") or {}).get("continue") or "")
            if not goes_on:
                return
        raise CliError("the list does not end", "Narrow it with a label selector.")

    def watch(self, path: str, query: Mapping[str, str], accept: str = JSON) -> Iterator[Object]:
        """Events since the query's resourceVersion, until the server ends it, as it does after some minutes.
        Raises `Expired` when that version is too old, `Unreachable` when the connection breaks."""
        asked = {**query, "watch": "true", "timeoutSeconds": str(WATCH_SECONDS), "allowWatchBookmarks": "true"}
        connection = self._connections.connection(WATCH_SECONDS + SECONDS)
        try:
            response = _sent(connection, "GET", path, asked, {"Accept": accept})
            while line := _line(response):
                event = _parsed(line)
                if event.get("type") == "ERROR":
                    raise refusal(int((event.get("object") or {}).get("code") or 500), event.get("object") or {})
                yield event
        finally:
            connection.close()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        self._connections.close()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        *,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> Object:
        headers = {"Accept": accept, **({"Content-Type": content_type} if body is not None else {})}
        self._open = self._open or self._connections.connection(SECONDS)
        try:
            response = _sent(self._open, method, path, query, headers, body)
            return _parsed(response.read())
        except (OSError, http.client.HTTPException) as error:
            self._forget()
            raise Unreachable(f"the cluster broke off its answer: {error}", _TRY) from error
        except CliError:
            self._forget()  # an answer that was not read whole is in the way of the next one
            raise

    def _forget(self) -> None:
        if self._open is not None:
            with suppress(OSError):
                self._open.close()
            self._open = None


_TRY = "Is the cluster up? `kubectl get bugcommands` should work."


def _sent(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: Object | None = None,
) -> http.client.HTTPResponse:
    target = f"{path}?{urlencode(query)}" if query else path
    try:
        connection.request(method, target, json.dumps(body).encode() if body is not None else None, dict(headers))
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the cluster does not answer: {error or type(error).__name__}", _TRY) from error
    if response.status >= http.client.BAD_REQUEST:
        raise refusal(response.status, _said(response))
    return response


def _said(response: http.client.HTTPResponse) -> Object:
    """The Status of a refusal; kubectl's own words are plain text."""
    try:
        data = response.read(1 << 20)
    except (OSError, http.client.HTTPException):
        return {}
    try:
        status = json.loads(data)
    except (ValueError, RecursionError):
        return {"message": data.decode("utf-8", "replace").strip()[:500]}
    return status if isinstance(status, dict) else {}


def _line(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.readline()
    except TimeoutError:
        return b""
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"the watch broke off: {error or type(error).__name__}", _TRY) from error


def _parsed(data: bytes) -> Object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreachable("the cluster's answer is not whole", _TRY) from error
    if not isinstance(value, dict):
        raise CliError("the cluster's answer is no object")
    return value
