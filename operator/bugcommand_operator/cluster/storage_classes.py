"""Which StorageClasses bind a volume at once, rather than when its first pod is scheduled. Remembered for a while."""

from __future__ import annotations

import asyncio
import time

from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube

REMEMBERED_SECONDS = 600.0


class StorageClasses:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[str, tuple[float, bool]] = {}
        self._looking = asyncio.Lock()
        """In a burst all want to know the same."""

    async def binds_at_once(self, name: str) -> bool:
        """False also where we may not look (an install without cluster rights): then nothing waits on the answer."""
        if not self._is_known(name):
            async with self._looking:
                if not self._is_known(name):
                    self._known[name] = (time.monotonic() + REMEMBERED_SECONDS, await self._look(name))
        return self._known[name][1]

    def _is_known(self, name: str) -> bool:
        return name in self._known and time.monotonic() < self._known[name][0]

    async def _look(self, name: str) -> bool:
        if not name:
            return False
        try:
            found = await self._kube.get("StorageClass", None, name)
        except ClusterError:
            return False
        return bool(found.get("volumeBindingMode") == "Immediate")
