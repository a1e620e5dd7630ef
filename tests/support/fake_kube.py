"""The port to the Kubernetes API over a modelled cluster: every call gives way to others before it takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from tests.support.cluster_model import ClusterModel

from bugcommand_operator.cluster.kube import Kube, Page, Raw
from bugcommand_operator.cluster.reach import Reach
from bugcommand_operator.cluster.rights import Rights


class FakeKube(Kube):
    def __init__(self, cluster: ClusterModel) -> None:
        self.cluster = cluster
        self.rights = Rights()

    async def review_rights(self) -> None:
        """The model denies nobody anything for long."""

    def now(self) -> datetime:
        return self.cluster.now

    @property
    def reach(self) -> Reach:
        """It has never asked anything, for all that it knows."""
        return Reach(self.now)

    async def get(self, kind: str, namespace: str | None, name: str) -> Raw:
        await asyncio.sleep(0)
        return self.cluster.get(kind, namespace or "", name)

    async def pages(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        await asyncio.sleep(0)
        yield Page(self.cluster.listed(kind, namespace, labels, fields), str(self.cluster.latest))

    async def create(self, manifest: Raw) -> Raw:
        await asyncio.sleep(0)
        return self.cluster.create(manifest)

    async def patch(self, kind: str, namespace: str, name: str, body: Raw, *, status: bool = False) -> Raw:
        await asyncio.sleep(0)
        return self.cluster.patch(kind, namespace, name, body, status=status)

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str | None = None, version: str | None = None
    ) -> Raw:
        await asyncio.sleep(0)
        return self.cluster.delete(kind, namespace, name, uid, version)
