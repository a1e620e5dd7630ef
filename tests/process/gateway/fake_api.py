"""A stand-in for an API server that holds BugCommands and Repositories: list, watch, get, create, merge patch and
delete over real HTTP, so that the real client and its watches are what is tested."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.unit.gateway.fake_cluster import FakeCluster

Raw = dict[str, Any]
KINDS = {"bugcommands": "BugCommand", "repositories": "Repository"}


class FakeApi:
    """`failing`: every request is answered so. `hold_creates`: a create is kept waiting, and is not carried out."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Raw] = {}
        self.events: list[tuple[int, str, str, Raw]] = []  # version, plural, type, object
        self.version = 100
        self.forgotten = 0  # watches from before this version are answered 410
        self.failing = 0
        self.hold_creates = threading.Event()
        self.creates: list[str] = []
        self.seen: list[str] = []
        self.users: dict[str, str] = {}  # token: user
        self.rights: set[tuple[str, str, str]] = set()  # user, verb, namespace
        self._lock = threading.Lock()
        self._cut = 0

    def put(self, plural: str, namespace: str, name: str, spec: Raw, **more: Any) -> Raw:
        """Make or replace an object, as somebody else would."""
        with self._lock:
            before = self.objects.get((plural, namespace, name))
            obj: Raw = {
                "apiVersion": "mentu.dev/v1alpha1",
                "kind": KINDS[plural],
                "metadata": {"namespace": namespace, "name": name, "uid": str(uuid.uuid4()), **more},
                "spec": spec,
            }
            return self._store(plural, obj, "MODIFIED" if before else "ADDED")

    def repository(self, namespace: str, name: str, *prefixes: str) -> None:
        spec = {"url": "https://git.example.com/a.git", "pathPrefixes": list(prefixes)}
        self.put("repositories", namespace, name, spec)

    def bug(self, namespace: str, name: str) -> Raw | None:
        found = self.objects.get(("bugcommands", namespace, name))
        return deepcopy(found) if found else None

    def bugs(self) -> list[Raw]:
        return [deepcopy(obj) for (plural, _, _), obj in list(self.objects.items()) if plural == "bugcommands"]

    def set_status(self, namespace: str, name: str, status: Raw) -> None:
        with self._lock:
            obj = deepcopy(self.objects["bugcommands", namespace, name])
            self._store("bugcommands", {**obj, "status": status}, "MODIFIED")

    def remove(self, plural: str, namespace: str, name: str) -> None:
        with self._lock:
            obj = self.objects.pop((plural, namespace, name))
            self._store(plural, deepcopy(obj), "DELETED")

    def lose_sight(self, plural: str, namespace: str, name: str) -> None:
        """The object loses its labels: it is there, and those who watch by one are told that it is gone."""
        with self._lock:
            obj = self.objects[plural, namespace, name]
            self._store(plural, deepcopy(obj), "DELETED")
            self.objects[plural, namespace, name] = {**obj, "metadata": {**obj["metadata"], "labels": {}}}

    def forget(self) -> None:
        """What happened until now can no longer be watched from; and those who watch are cut off."""
        with self._lock:
            self.forgotten = self.version
            self.events.clear()
            self._cut += 1

    def _store(self, plural: str, obj: Raw, kind: str) -> Raw:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = (plural, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if kind != "DELETED":
            self.objects[key] = obj
        self.events.append((self.version, plural, kind, deepcopy(obj)))
        return deepcopy(obj)

    async def collection(self, request: Request) -> Response:
        plural, namespace = request.path_params["plural"], request.path_params.get("namespace")
        self.seen.append(f"{request.method} {plural}")
        if self.failing:
            return _failure(self.failing, "Failing", "failing")
        if request.method == "POST":
            return await self._create(plural, namespace, await request.json())
        label = request.query_params.get("labelSelector", "")
        if request.query_params.get("watch"):
            return self._watch(request, plural, namespace, label)
        with self._lock:
            items = [deepcopy(o) for (p, n, _), o in self.objects.items() if p == plural and namespace in {None, n}]
            version = str(self.version)
        return JSONResponse({"metadata": {"resourceVersion": version}, "items": [o for o in items if _has(o, label)]})

    async def _create(self, plural: str, namespace: str | None, body: Raw) -> Response:
        name = body["metadata"]["name"]
        self.creates.append(name)
        while self.hold_creates.is_set():  # noqa: ASYNC110 (another thread sets it)
            await asyncio.sleep(0.02)
        with self._lock:
            if (plural, namespace, name) in self.objects:
                return _failure(409, "AlreadyExists", f"{name} already exists")
            body["metadata"]["uid"] = str(uuid.uuid4())
            return JSONResponse(self._store(plural, body, "ADDED"), 201)

    def _watch(self, request: Request, plural: str, namespace: str | None, label: str) -> Response:
        after, seconds = int(request.query_params["resourceVersion"]), int(request.query_params["timeoutSeconds"])

        async def events() -> AsyncIterator[bytes]:
            sent, deadline, cut = after, time.monotonic() + seconds, self._cut
            if after < self.forgotten:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
                yield json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
                return
            while time.monotonic() < deadline and cut == self._cut and not self.failing:
                for version, kind, what, obj in list(self.events):
                    if version > sent:
                        sent = version
                        if kind == plural and namespace in {None, obj["metadata"]["namespace"]} and _has(obj, label):
                            yield json.dumps({"type": what, "object": obj}).encode() + b"\n"
                await asyncio.sleep(0.002)

        return StreamingResponse(events(), media_type="application/json")

    async def single(self, request: Request) -> Response:
        plural, namespace, name = (request.path_params[part] for part in ("plural", "namespace", "name"))
        self.seen.append(f"{request.method} {plural}")
        if self.failing:
            return _failure(self.failing, "Failing", "failing")
        body = await request.json() if request.method == "PATCH" else {}
        with self._lock:
            found = self.objects.get((plural, namespace, name))
            if found is None:
                return _failure(404, "NotFound", f"{name} not found")
            if request.method == "PATCH":
                wanted = body.get("metadata", {}).get("resourceVersion", found["metadata"]["resourceVersion"])
                if wanted != found["metadata"]["resourceVersion"]:
                    return _failure(409, "Conflict", f"{name} has been modified")
                part = "status" if request.url.path.endswith("/status") else "spec"
                merged = {**deepcopy(found), part: {**found.get(part, {}), **body.get(part, {})}}
                return JSONResponse(self._store(plural, merged, "MODIFIED"))
            return JSONResponse(deepcopy(found))

    async def token_review(self, request: Request) -> Response:
        user = self.users.get((await request.json())["spec"]["token"])
        status = {"authenticated": user is not None, "user": {"username": user or ""}}
        return JSONResponse({"status": status}, 201)

    async def access_review(self, request: Request) -> Response:
        spec = (await request.json())["spec"]
        asked = spec["resourceAttributes"]
        allowed = (spec["user"], asked["verb"], asked["namespace"]) in self.rights
        return JSONResponse({"status": {"allowed": allowed}}, 201)

    def __enter__(self) -> Self:
        base = "/apis/mentu.dev/v1alpha1"
        routes = [
            Route("/apis/authentication.k8s.io/v1/tokenreviews", self.token_review, methods=["POST"]),
            Route("/apis/authorization.k8s.io/v1/subjectaccessreviews", self.access_review, methods=["POST"]),
            Route(base + "/namespaces/{namespace}/{plural}/{name}", self.single, methods=["GET", "PATCH"]),
            Route(base + "/namespaces/{namespace}/{plural}/{name}/status", self.single, methods=["PATCH"]),
            Route(base + "/namespaces/{namespace}/{plural}", self.collection, methods=["GET", "POST"]),
            Route(base + "/{plural}", self.collection, methods=["GET"]),
        ]
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                host="127.0.0.1",
                port=0,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_exception: object) -> None:
        self.hold_creates.clear()
        self.forget()
        self._server.should_exit = True
        self._thread.join(10)

    def kubeconfig(self, folder: Path) -> Path:
        return FakeCluster(url=self.url).kubeconfig(folder)


def _has(obj: Raw, label: str) -> bool:
    return not label or label in (obj["metadata"].get("labels") or {})


def _failure(status: int, reason: str, message: str) -> Response:
    return JSONResponse({"kind": "Status", "code": status, "reason": reason, "message": message}, status)
