"""A stand-in for an API server: token reviews and pods over real HTTP, so that the real client is what is tested."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def pod(name: str, uid: str, command_id: str, attempt: str, namespace: str = "team-a") -> dict[str, Any]:
    labels = {"mentu.dev/command-id": command_id, "mentu.dev/attempt": attempt}
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid, "labels": labels}}


def review(
    name: str = "bug-1-agent",
    uid: str = "uid-1",
    namespace: str = "team-a",
    audiences: tuple[str, ...] = ("mentu",),
) -> dict[str, Any]:
    """The status of a review of a pod's token."""
    extra = {
        "authentication.kubernetes.io/pod-name": [name],
        "authentication.kubernetes.io/pod-uid": [uid],
    }
    user = {"username": f"system:serviceaccount:{namespace}:default", "extra": extra}
    return {"authenticated": True, "audiences": list(audiences), "user": user}


@dataclass
class FakeCluster:
    """What the API server knows, and what it was asked. `failing` makes every answer that status."""

    reviews: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    rights: set[tuple[str, str, str]] = field(default_factory=set)
    """User, verb and namespace of what is allowed."""
    requests: list[str] = field(default_factory=list)
    audiences: list[list[str] | None] = field(default_factory=list)
    access_reviews: list[dict[str, Any]] = field(default_factory=list)
    failing: int = 0
    url: str = ""

    def add(self, token: str, command_id: str, attempt: int, namespace: str = "team-a", repository: str = "") -> None:
        """A running pod with this token."""
        name, uid = f"pod-of-{token}", f"uid-of-{token}"
        self.reviews[token] = review(name, uid, namespace)
        self.pods[f"{namespace}/{name}"] = pod(name, uid, command_id, str(attempt), namespace)
        self.pods[f"{namespace}/{name}"]["metadata"]["labels"]["mentu.dev/repository"] = repository

    def add_user(self, token: str, name: str, *namespaces: str) -> None:
        """A person with this token, who may get BugCommands in these namespaces."""
        self.reviews[token] = {"authenticated": True, "user": {"username": name, "groups": ["system:authenticated"]}}
        self.rights |= {(name, "get", namespace) for namespace in namespaces}

    async def token_review(self, request: Request) -> Response:
        self.requests.append("review")
        if self.failing:
            return JSONResponse({"reason": "Broken", "message": "broken"}, self.failing)
        spec = (await request.json())["spec"]
        self.audiences.append(spec.get("audiences"))
        status = self.reviews.get(spec["token"], {"authenticated": False, "error": "unknown token"})
        return JSONResponse({"spec": spec, "status": status}, 201)

    async def access_review(self, request: Request) -> Response:
        self.requests.append("access")
        if self.failing:
            return JSONResponse({"reason": "Broken", "message": "broken"}, self.failing)
        spec = (await request.json())["spec"]
        self.access_reviews.append(spec)
        wanted = spec["resourceAttributes"]
        allowed = (spec["user"], wanted["verb"], wanted["namespace"]) in self.rights
        return JSONResponse({"spec": spec, "status": {"allowed": allowed}}, 201)

    async def get_pod(self, request: Request) -> Response:
        key = f"{request.path_params['namespace']}/{request.path_params['name']}"
        self.requests.append(f"pod {key}")
        found = self.pods.get(key)
        return JSONResponse(found or {"reason": "NotFound", "message": "not found"}, 200 if found else 404)

    def __enter__(self) -> Self:
        routes = [
            Route("/apis/authentication.k8s.io/v1/tokenreviews", self.token_review, methods=["POST"]),
            Route("/apis/authorization.k8s.io/v1/subjectaccessreviews", self.access_review, methods=["POST"]),
            Route("/api/v1/namespaces/{namespace}/pods/{name}", self.get_pod),
        ]
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads here."""
        path = folder / "kubeconfig.json"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "the-gateway-itself"}}],
        }
        path.write_text(json.dumps(config))
        return path
