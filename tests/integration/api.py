"""What the integration tests say to the API server: objects made, changed and waited for in one namespace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from bugcommand_operator.cluster.client import MERGE_PATCH, Cluster
from bugcommand_operator.cluster.errors import ClusterUnavailable, NotFound
from bugcommand_operator.cluster.kube import path_of

Raw = dict[str, Any]
APPLY = "application/apply-patch+yaml"
BETWEEN_LOOKS = 0.1


class Api:
    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    async def apply_crds(self, crds: list[Raw]) -> None:
        for crd in crds:
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
            query = {"fieldManager": "integration-tests", "force": "true"}
            await self.cluster.request("PATCH", path, query=query, body=crd, content_type=APPLY)
            await self._until(path, _is_established, 20)
            await self._until_served(crd["spec"]["names"]["kind"], 20)

    async def _until_served(self, kind: str, seconds: float) -> None:
        """One that was just established may still be set up."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(ClusterUnavailable):
                    await self.cluster.request("GET", path_of(kind, None), query={"limit": "1"})
                    return
                await asyncio.sleep(BETWEEN_LOOKS)

    async def make_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.cluster.request("POST", "/api/v1/namespaces", body=body)

    async def remove_namespace(self) -> None:
        for bug in await self.all("BugCommand"):
            await self._let_go(bug["metadata"]["name"])
        await self.cluster.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    async def _let_go(self, name: str) -> None:
        """No executor is left to take the finalizer off."""
        with contextlib.suppress(NotFound):
            await self.patch("BugCommand", name, {"metadata": {"finalizers": None}})

    async def make(self, kind: str, name: str, spec: Raw, **metadata: Any) -> Raw:
        body = {
            "apiVersion": "mentu.dev/v1alpha1",
            "kind": kind,
            "metadata": {"namespace": self.namespace, "name": name, **metadata},
            "spec": spec,
        }
        path = path_of(kind, self.namespace)
        return await self.cluster.request("POST", path, body=body, query={"fieldValidation": "Strict"})

    async def patch(self, kind: str, name: str, body: Raw, *, status: bool = False) -> Raw:
        path = path_of(kind, self.namespace, name) + ("/status" if status else "")
        return await self.cluster.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def get(self, kind: str, name: str) -> Raw:
        return await self.cluster.request("GET", path_of(kind, self.namespace, name))

    async def delete(self, kind: str, name: str) -> None:
        await self.cluster.request("DELETE", path_of(kind, self.namespace, name))

    async def all(self, kind: str) -> list[Raw]:
        answer = await self.cluster.request("GET", path_of(kind, self.namespace))
        return list(answer["items"])

    async def until(self, kind: str, name: str, good: Callable[[Raw], bool], seconds: float = 30) -> Raw:
        return await self._until(path_of(kind, self.namespace, name), good, seconds)

    async def until_all(self, kind: str, good: Callable[[list[Raw]], bool], seconds: float = 60) -> list[Raw]:
        items: list[Raw] = []
        try:
            async with asyncio.timeout(seconds):
                while not good(items := await self.all(kind)):
                    await asyncio.sleep(BETWEEN_LOOKS)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; {kind}s: {[_brief(i) for i in items]}") from None
        return items

    async def _until(self, path: str, good: Callable[[Raw], bool], seconds: float) -> Raw:
        seen: Raw = {}
        try:
            async with asyncio.timeout(seconds):
                while not good(seen := await self.cluster.request("GET", path)):
                    await asyncio.sleep(BETWEEN_LOOKS)
        except TimeoutError:
            raise AssertionError(f"{path}: not within {seconds} s; it is {_brief(seen)}") from None
        return seen


def condition(obj: Raw, type_: str) -> Raw:
    conditions = obj.get("status", {}).get("conditions") or []  # null until the first is set
    return next((c for c in conditions if c["type"] == type_), {})


def _is_established(crd: Raw) -> bool:
    return condition(crd, "Established").get("status") == "True"


def _brief(obj: Raw) -> Raw:
    return {"name": obj.get("metadata", {}).get("name"), "status": obj.get("status")}
