"""A StatefulSet as somebody sees it who may scale it and see its pods, and nothing else of it."""

from __future__ import annotations

from bugcommand_operator.cluster.client import MERGE_PATCH, Cluster
from bugcommand_operator.cluster.errors import NotFound

ENDED = frozenset({"Succeeded", "Failed"})


class StatefulSet:
    def __init__(self, cluster: Cluster, namespace: str, name: str, selector: str) -> None:
        self._cluster = cluster
        self._scale = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}/scale"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._selector = selector

    async def replicas(self) -> int:
        """As wanted; none when there is no such set."""
        try:
            found = await self._cluster.request("GET", self._scale)
        except NotFound:
            return 0
        return int((found.get("spec") or {}).get("replicas") or 0)

    async def scale(self, replicas: int) -> None:
        try:
            await self._cluster.request(
                "PATCH", self._scale, body={"spec": {"replicas": replicas}}, content_type=MERGE_PATCH
            )
        except NotFound:
            if replicas:
                raise

    async def pods(self) -> list[str]:
        """Those that may still do something."""
        found = await self._cluster.request("GET", self._pods, query={"labelSelector": self._selector})
        items = found.get("items") or []
        return [i["metadata"]["name"] for i in items if (i.get("status") or {}).get("phase") not in ENDED]
