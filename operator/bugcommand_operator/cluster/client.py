"""A small client for the API server: plain JSON objects in and out, errors classified, every call bounded in time.

Credentials, their renewal, TLS and the kubeconfig are the official client's; requests go out by aiohttp itself and JSON
is orjson's, which takes half the CPU: one generic call is all that this project needs.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from bugcommand_operator.cluster.clock import local_clock
from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, error_for
from bugcommand_operator.cluster.reach import Reach

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_OPENING_SECONDS = 15.0
_DATES_ARE_WHOLE = timedelta(seconds=1)
_LONGEST_LINE = 16 << 20  # an object has at most 1.5 MiB
_KEPT_OPEN_SECONDS = 60.0
"""An unused connection: the API server keeps it for 90 s, and a new one costs a command's start a handshake."""


class Cluster:
    """Requests to one API server. Use it as an async context manager, or close it."""

    def __init__(self, configuration: Any, session: ClientSession) -> None:
        self._configuration = configuration  # kubernetes.aio.client.Configuration, whose methods carry no types
        self._session = session
        self._date = ""
        self._zero = datetime.now(UTC) - timedelta(seconds=local_clock())
        """When the local clock was zero; corrected by what the API server says."""
        self.reach = Reach(self.now)

    def now(self) -> datetime:
        """The API server's time, as far as its answers tell: the stamps that deadlines are counted from are its own
        and its kubelets', so a clock of ours that is wrong, or is set, must not end anything early."""
        return self._zero + timedelta(seconds=local_clock())

    @classmethod
    async def connect(cls, kubeconfig: str = "") -> Self:
        """By this kubeconfig, else as the pod's service account, else as `KUBECONFIG` or `~/.kube/config` say."""
        kubernetes: Any = await asyncio.to_thread(import_module, "kubernetes.aio")  # a second of imports
        configuration = kubernetes.client.Configuration()
        if not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        else:
            load = kubernetes.config.load_kube_config
            await load(config_file=kubeconfig or None, client_configuration=configuration)
        configuration.proxy = configuration.proxy or environment_proxy(configuration.host)
        return cls(configuration, _session(configuration, kubernetes.client.ApiClient(configuration)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = 10.0,  # noqa: ASYNC109 (a bound for each call, not left to the caller to remember)
    ) -> dict[str, Any]:
        """One call; the answer as an object. Raises a `ClusterError`, whose class says what to do."""
        with self.reach.noting(writes=method != "GET"):
            return await self._answer(method, path, query, body, content_type, timeout)

    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        timeout: float,  # noqa: ASYNC109
    ) -> dict[str, Any]:
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(timeout):
                asked = local_clock()
                response = await self._send(method, path, query, body, content_type)
                data = await response.read()
        except (ClientError, OSError, TimeoutError) as error:
            what = str(error) or type(error).__name__
            raise ClusterUnavailable(f"{method} {path}: {what}") from error
        self._note_time(response.headers.get("Date", ""), asked)
        answer = _as_object(data)
        if not 200 <= response.status < 300:
            raise _refusal(response, answer, f"{method} {path}")
        return answer

    async def lines(self, path: str, *, query: Mapping[str, str], seconds: float) -> AsyncGenerator[bytes, None]:
        """A GET whose answer has no end of its own (a watch), line by line as it comes, for at most so long."""
        from aiohttp import ClientError

        now, response = asyncio.get_running_loop().time(), None
        deadline = now + seconds
        try:
            async with asyncio.timeout_at(min(deadline, now + _OPENING_SECONDS)):
                response = await self._send("GET", path, query)
                await _raise_if_refused(response, path)
            kept = b""
            while chunk := await _chunk(response, deadline):
                *lines, kept = (kept + chunk).split(b"\n")
                for line in lines:
                    yield line
                if len(kept) > _LONGEST_LINE:
                    raise ClusterUnavailable(f"GET {path}: a line of more than {_LONGEST_LINE} bytes")
        except TimeoutError as error:
            if response is None:
                raise ClusterUnavailable(f"GET {path}: no answer in time") from error
            return  # as long as it was to be; nothing is known to be wrong
        except (ClientError, OSError) as error:
            raise ClusterUnavailable(f"GET {path}: {error or type(error).__name__}") from error
        finally:
            if response is not None:
                response.close()

    def _note_time(self, date: str, asked: float) -> None:
        """It was written after we had asked and before we read it, in whole seconds: so much is known of the time."""
        if date == self._date:
            return
        self._date = date
        try:
            earliest = parsedate_to_datetime(date)
            latest = earliest + _DATES_ARE_WHOLE + timedelta(seconds=local_clock() - asked)
            now = self.now()
            self._zero += min(max(now, earliest), latest) - now
        except (ValueError, TypeError):
            return

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> ClientResponse:
        configuration, headers = self._configuration, {"Content-Type": content_type}
        if token := await configuration.get_api_key_with_prefix("BearerToken", alias="authorization"):
            headers["Authorization"] = token
        parameters = f"?{urlencode(query, quote_via=quote, safe=',!')}" if query else ""
        return await self._session.request(
            method,
            f"{configuration.host}{path}{parameters}",
            data=None if body is None else _as_json(body),
            headers=headers,
            proxy=configuration.proxy,
            proxy_headers=configuration.proxy_headers,
            server_hostname=configuration.tls_server_name,
        )


def _session(configuration: Any, client: Any) -> ClientSession:
    """Bounds in time are each call's own; the environment's proxies were asked for once."""
    import aiohttp

    connector = aiohttp.TCPConnector(
        limit=configuration.connection_pool_maxsize,
        ssl=client.rest_client.ssl_context,
        keepalive_timeout=_KEPT_OPEN_SECONDS,
    )
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}  # as Kubernetes' own controllers ask for it
    return aiohttp.ClientSession(connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=None))


async def _raise_if_refused(response: ClientResponse, path: str) -> None:
    if response.status != 200:
        raise _refusal(response, _as_object(await response.read()), f"GET {path}")


def _refusal(response: ClientResponse, answer: dict[str, Any], what: str) -> ClusterError:
    message = answer.get("message") or f"status {response.status}"
    reason, retry_after = str(answer.get("reason", "")), response.headers.get("Retry-After")
    return error_for(response.status, reason, f"{what}: {message}", retry_after)


async def _chunk(response: ClientResponse, deadline: float) -> bytes:
    """Some bytes; none at the end."""
    async with asyncio.timeout_at(deadline):
        return await response.content.readany()


def environment_proxy(url: str) -> str | None:
    """What HTTPS_PROXY and NO_PROXY say about a server; asked once, not for each request."""
    server = urlsplit(url)
    if server.hostname is None or proxy_bypass(server.hostname):
        return None
    return getproxies().get(server.scheme)


def _as_object(data: bytes) -> dict[str, Any]:
    """An answer that is no JSON object (a proxy's page) is an empty one: its status says what it means."""
    try:
        answer = orjson.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _as_json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # half a surrogate pair, which the API server takes when it is escaped
        return json.dumps(body).encode()
