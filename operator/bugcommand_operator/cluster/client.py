"""A small client for the API server: plain JSON objects in and out, errors classified, every call bounded in time.

It wraps the official client's transport (credentials, their renewal, TLS, kubeconfig) and leaves its generated
models aside: one generic call is all that this project needs.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bugcommand_operator.cluster.errors import ClusterUnavailable, error_for

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_OPENING_SECONDS = 15.0
_USUAL_DIFFERENCE = timedelta(seconds=10)
_LONGEST_LINE = 16 << 20  # an object has at most 1.5 MiB


class Cluster:
    """Requests to one API server. Use it as an async context manager, or close it."""

    def __init__(self, api: Any) -> None:
        self._api = api  # kubernetes.aio.client.ApiClient, whose methods carry no types
        self._date = ""
        self._behind = timedelta()

    def now(self) -> datetime:
        """The API server's time, as far as its answers tell: the stamps that deadlines are counted from are its own
        and its kubelets', so a wrong clock of ours must not end anything early."""
        return datetime.now(UTC) + self._behind

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
        configuration.client_session_kwargs = {"trust_env": False}  # it would ask two threads before each request
        return cls(kubernetes.client.ApiClient(configuration))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

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
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(timeout):
                status, headers, data = await self._send(method, path, dict(query or {}), body, content_type)
        except (ClientError, OSError, TimeoutError) as error:
            what = str(error) or type(error).__name__
            raise ClusterUnavailable(f"{method} {path}: {what}") from error
        self._note_time(headers.get("Date", ""))
        answer = _as_object(data)
        if not 200 <= status < 300:
            reason, message = str(answer.get("reason", "")), str(answer.get("message") or f"status {status}")
            raise error_for(status, reason, f"{method} {path}: {message}", headers.get("Retry-After"))
        return answer

    async def lines(self, path: str, *, query: Mapping[str, str], seconds: float) -> AsyncGenerator[bytes, None]:
        """A GET whose answer has no end of its own (a watch), line by line as it comes, for at most so long."""
        from aiohttp import ClientError

        now, response = asyncio.get_running_loop().time(), None
        deadline = now + seconds
        try:
            async with asyncio.timeout_at(min(deadline, now + _OPENING_SECONDS)):
                response = await self._call("GET", path, dict(query), None, "application/json", seconds)
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
                response.response.close()

    def _note_time(self, date: str) -> None:
        """A few seconds are the way that an answer took, and the header's own whole seconds."""
        if date == self._date:
            return
        self._date = date
        try:
            behind = parsedate_to_datetime(date) - datetime.now(UTC)
        except (ValueError, TypeError):
            return
        self._behind = behind if abs(behind) > _USUAL_DIFFERENCE else timedelta()

    async def _send(
        self, method: str, path: str, query: dict[str, str], body: Any, content_type: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        response = await self._call(method, path, query, body, content_type)
        return response.status, response.headers, await response.read()

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Any,
        content_type: str,
        seconds: float | None = None,
    ) -> Any:
        verb, url, headers, payload, _ = await self._api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return await self._api.call_api(verb, url, header_params=headers, body=payload, _request_timeout=seconds)


async def _raise_if_refused(response: Any, path: str) -> None:
    if response.status != 200:
        answer = _as_object(await response.read())
        message = f"GET {path}: {answer.get('message') or f'status {response.status}'}"
        retry_after = response.headers.get("Retry-After")
        raise error_for(response.status, str(answer.get("reason", "")), message, retry_after)


async def _chunk(response: Any, deadline: float) -> bytes:
    """Some bytes; none at the end."""
    async with asyncio.timeout_at(deadline):
        chunk: bytes = await response.response.content.readany()
    return chunk


def environment_proxy(url: str) -> str | None:
    """What HTTPS_PROXY and NO_PROXY say about a server; asked once, not for each request."""
    server = urlsplit(url)
    if server.hostname is None or proxy_bypass(server.hostname):
        return None
    return getproxies().get(server.scheme)


def _as_object(data: bytes) -> dict[str, Any]:
    """An answer that is no JSON object (a proxy's page) is an empty one: its status says what it means."""
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
