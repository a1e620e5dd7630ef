"""Which StorageClasses bind a volume at once, rather than when its first pod is scheduled. Remembered for a while."""

from __future__ import annotations

import asyncio
import time

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable
from bugcommand_operator.cluster.kube import Kube

REMEMBERED_SECONDS = 600.0
ASKED_AGAIN_SECONDS = 10.0


class StorageClasses:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[str, tuple[float, bool]] = {}
        self._looking = asyncio.Lock()
        """In a burst all want to know the same."""

    async def binds_at_once(self, name: str) -> bool:
        """False also where we may not look (an install without cluster rights): then nothing waits on the answer."""
        if not self.knows(name):
            async with self._looking:
                if not self.knows(name):
                    answer, seconds = await self._look(name)
                    self._known[name] = (time.monotonic() + seconds, answer)
        return self._known[name][1]

    def knows(self, name: str) -> bool:
        return name in self._known and time.monotonic() < self._known[name][0]

    async def _look(self, name: str) -> tuple[bool, float]:
        """And for how many seconds that is worth remembering."""
        if not name:
            return False, REMEMBERED_SECONDS
        try:
            found = await self._kube.get("StorageClass", None, name)
        except ClusterUnavailable:
            return False, ASKED_AGAIN_SECONDS
        except ClusterError:
            return False, REMEMBERED_SECONDS
        return bool(found.get("volumeBindingMode") == "Immediate"), REMEMBERED_SECONDS
