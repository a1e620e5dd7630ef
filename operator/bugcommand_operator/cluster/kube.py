"""The port to the Kubernetes API for the executor: objects as dicts, by kind and name; errors by class."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bugcommand_operator.api.names import FIELD_MANAGER, GROUP, VERSION
from bugcommand_operator.cluster.client import MERGE_PATCH, Cluster
from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.reach import Reach
from bugcommand_operator.cluster.rights import REVIEWS, Rights

Raw = dict[str, Any]
REQUEST_SECONDS = 30.0
PAGE = 500
PLURALS = {"BugCommand": "bugcommands", "Repository": "repositories", "Agent": "agents", "Executor": "executors"}
CORE_PLURALS = {"Pod": "pods", "PersistentVolumeClaim": "persistentvolumeclaims", "Event": "events"}


@dataclass(frozen=True)
class Page:
    """Of a list; all its pages show what there was at one version."""

    items: list[Raw]
    version: str


class Kube:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.rights = Rights()

    def now(self) -> datetime:
        return self._cluster.now()

    @property
    def reach(self) -> Reach:
        return self._cluster.reach

    async def get(self, kind: str, namespace: str | None, name: str) -> Raw:
        return await self._request("GET", path_of(kind, namespace, name))

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Raw]:
        return [item async for page in self.pages(kind, namespace, labels) for item in page.items]

    async def pages(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """For whoever keeps none of them: thousands of whole objects take hundreds of MiB. `labels` and `fields` are
        selectors, as the API server takes them."""
        token = ""
        while True:
            query = {"limit": str(PAGE), "labelSelector": labels, "fieldSelector": fields, "continue": token}
            page = await self._request("GET", path_of(kind, namespace), query={k: v for k, v in query.items() if v})
            meta = page.get("metadata") or {}
            if not meta.get("resourceVersion"):  # what a proxy answers is not an empty list
                raise ClusterUnavailable(f"what should be a list of {kind} names no version")
            yield Page(page.get("items") or [], meta["resourceVersion"])
            token = meta.get("continue") or ""
            if not token:
                return

    async def create(self, manifest: Raw) -> Raw:
        path = path_of(manifest["kind"], manifest["metadata"]["namespace"])
        return await self._request("POST", path, manifest, query={"fieldManager": FIELD_MANAGER})

    async def patch(self, kind: str, namespace: str, name: str, body: Raw, *, status: bool = False) -> Raw:
        """A merge patch; with `metadata.resourceVersion` in it, a compare-and-set."""
        path = path_of(kind, namespace, name) + ("/status" if status else "")
        return await self._request("PATCH", path, body, MERGE_PATCH, {"fieldManager": FIELD_MANAGER})

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str | None = None, version: str | None = None
    ) -> Raw:
        only = {key: value for key, value in {"uid": uid, "resourceVersion": version}.items() if value}
        options = {"preconditions": only} if only else {}
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", **options}
        return await self._request("DELETE", path_of(kind, namespace, name), body)

    async def review_rights(self) -> None:
        """Whether we have by now what was denied."""
        for right in sorted(self.rights.denied):
            answer = await self._request("POST", REVIEWS, right.review())
            if (answer.get("status") or {}).get("allowed") is True:
                self.rights.denied.discard(right)

    async def _request(
        self,
        method: str,
        path: str,
        body: Raw | None = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Raw:
        with self.rights.noting():
            return await self._cluster.request(
                method, path, query=query, body=body, content_type=content_type, timeout=REQUEST_SECONDS
            )


def path_of(kind: str, namespace: str | None, name: str | None = None) -> str:
    if kind in PLURALS:
        base, plural = f"/apis/{GROUP}/{VERSION}", PLURALS[kind]
    elif kind == "StorageClass":
        base, plural = "/apis/storage.k8s.io/v1", "storageclasses"
    elif kind == "NetworkPolicy":
        base, plural = "/apis/networking.k8s.io/v1", "networkpolicies"
    elif kind == "Lease":
        base, plural = "/apis/coordination.k8s.io/v1", "leases"
    else:
        base, plural = "/api/v1", CORE_PLURALS[kind]
    scoped = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
    return f"{scoped}/{name}" if name else scoped
