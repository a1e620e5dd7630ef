"""A small client of the benchmark's own, so that what is measured is never the measured code's client.

Plain requests and watches over aiohttp, with what the kubeconfig says.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Raw = dict[str, Any]
MERGE = "application/merge-patch+json"
GROUP = "/apis/mentu.dev/v1alpha1"


class ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class WentWrong(Exception):
    """What was waited for will not happen any more."""


class Api:
    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> AsyncIterator[Api]:
        server, context, headers = _credentials(kubeconfig())
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=120)
            session = aiohttp.ClientSession(
                connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)
            )
            yield cls(await stack.enter_async_context(session), server)

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", seconds: float = 30
    ) -> Raw:
        data = None if body is None else json.dumps(body).encode()
        async with asyncio.timeout(seconds):
            headers = {"Content-Type": content_type}
            async with self._session.request(method, self._server + path, data=data, headers=headers) as response:
                answer = json.loads(await response.read() or b"{}")
        if response.status >= 300:
            raise ApiError(response.status, str(answer.get("message")))
        return dict(answer)

    async def get(self, path: str) -> Raw:
        return await self.request("GET", path)

    async def post(self, path: str, body: Raw) -> Raw:
        return await self.request("POST", path, body)

    async def patch(self, path: str, body: Raw) -> Raw:
        return await self.request("PATCH", path, body, MERGE)

    async def text(self, path: str) -> str:
        async with asyncio.timeout(30), self._session.get(self._server + path) as response:
            data = await response.text()
        if response.status >= 300:
            raise ApiError(response.status, data[:200])
        return data

    async def apply(self, path: str, name: str, body: Raw) -> Raw:
        """Server-side apply: makes the object, or makes it so."""
        query = "?fieldManager=mentu-bench&force=true"
        return await self.request("PATCH", f"{path}/{name}{query}", body, "application/apply-patch+yaml")

    async def delete(self, path: str, propagation: str = "Background") -> None:
        """What is gone already is as good as deleted."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        try:
            await self.request("DELETE", path, body)
        except ApiError as error:
            if error.status != 404:
                raise

    async def exists(self, path: str) -> bool:
        try:
            await self.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def is_gone(self, path: str) -> bool:
        return not await self.exists(path)

    async def items(self, path: str) -> list[Raw]:
        answer = await self.get(path)
        return list(answer["items"])

    async def count(self, path: str) -> int:
        """However many there are, one is read. Of what a selector picks it is only told whether there are more."""
        answer = await self.get(f"{path}{'&' if '?' in path else '?'}limit=1")
        meta = answer["metadata"]
        return len(answer["items"]) + (meta.get("remainingItemCount") or bool(meta.get("continue")))

    async def watch(self, path: str, version: str = "") -> AsyncIterator[Raw]:
        """Events from now on, or after a version; the first item is {"type": "LISTED"}, once the watch is open."""
        version = version or (await self.get(f"{path}?limit=1"))["metadata"]["resourceVersion"]
        url = f"{self._server}{path}?watch=true&resourceVersion={version}&timeoutSeconds=3000"
        async with self._session.get(url) as response:
            yield {"type": "LISTED", "version": version}
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)


class Watch:
    """A watch that runs in the background; whoever waits is woken as the event is read."""

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = path
        self._open = asyncio.Event()
        self._waiting: list[tuple[Callable[[Raw], bool], asyncio.Future[Raw]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._run())
        async with asyncio.timeout(10):
            await self._open.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def expect(self, wanted: Callable[[Raw], bool]) -> asyncio.Future[Raw]:
        """The first event from now on for which `wanted` is true."""
        future: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        return future

    async def _run(self) -> None:
        while True:
            async for event in self._api.watch(self._path):
                self._open.set()
                self._show(event)

    def _show(self, event: Raw) -> None:
        for entry in list(self._waiting):
            wanted, future = entry
            try:
                found = future.done() or wanted(event)
            except WentWrong as error:
                self._waiting.remove(entry)
                future.set_exception(error)
                continue
            if found:
                self._waiting.remove(entry)
                if not future.done():
                    future.set_result(event)


def named(kind: str, name: str) -> Callable[[Raw], bool]:
    """An event of that type about an object whose name starts so."""

    def wanted(event: Raw) -> bool:
        return bool(event["type"] == kind and event["object"]["metadata"]["name"].startswith(name))

    return wanted


def kubeconfig() -> Path:
    """Of KUBECONFIG, else of the cluster that `make cluster` starts."""
    named = os.environ.get("KUBECONFIG")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".cluster/kubeconfig"


def _credentials(path: Path) -> tuple[str, ssl.SSLContext, dict[str, str]]:
    config = yaml.safe_load(path.read_text())
    current = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == current["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == current["user"])
    authority = _data(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _data(user, "client-certificate"), _data(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    return cluster["server"].rstrip("/"), context, headers


def _data(section: Raw, name: str) -> bytes:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return Path(section[name]).read_bytes() if name in section else b""
