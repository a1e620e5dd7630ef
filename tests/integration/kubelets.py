"""Pods that never run are told of as if they had: prepared, at work, completed. Past every proxy."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime

from tests.integration.api import Api, Raw

from bugcommand_operator.api.names import LABEL_ROLE, ROLE_AGENT
from bugcommand_operator.cluster.errors import ClusterError

BETWEEN_LOOKS = 0.3
COMPLETED = {"reason": "Completed", "lines": 0, "lastSequence": 0, "unshipped": 0}


class PretendedKubelet:
    """`seen` counts the pods that there ever were of each name; `starts` and `ends` say whether agents do so."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._uids: set[str] = set()
        self.seen: Counter[str] = Counter()
        self.starts = True
        self.ends = True

    async def run(self) -> None:
        while True:
            for pod in await self._api.all("Pod"):
                await self._goes_on(pod)
            await asyncio.sleep(BETWEEN_LOOKS)

    async def _goes_on(self, pod: Raw) -> None:
        meta = pod["metadata"]
        if meta["uid"] not in self._uids:
            self._uids.add(meta["uid"])
            self.seen[meta["name"]] += 1
        is_agent = (meta.get("labels") or {}).get(LABEL_ROLE) == ROLE_AGENT
        if not is_agent or pod["spec"].get("schedulingGates") or meta.get("deletionTimestamp"):
            return
        phase = pod["status"].get("phase")
        if phase == "Pending" and self.starts:
            await self._tell(pod, "Running", {"running": {"startedAt": _now()}})
        elif phase == "Running" and self.ends:
            await self._tell(pod, "Succeeded", _terminated(COMPLETED))

    async def _tell(self, pod: Raw, phase: str, agent: Raw) -> None:
        inits = [c["name"] for c in pod["spec"].get("initContainers", [])]
        status = {
            "phase": phase,
            "initContainerStatuses": [_container(name, _terminated({"baseCommit": "1" * 40})) for name in inits],
            "containerStatuses": [_container("agent", agent)],
        }
        try:
            await self._api.patch("Pod", pod["metadata"]["name"], {"status": status}, status=True)
        except ClusterError:
            return  # deleted meanwhile, or written by somebody else: the next look goes on


def _container(name: str, state: Raw) -> Raw:
    return {"name": name, "state": state, "image": "none", "imageID": "", "ready": False, "restartCount": 0}


def _terminated(says: Raw) -> Raw:
    return {"terminated": {"exitCode": 0, "message": json.dumps(says), "startedAt": _now(), "finishedAt": _now()}}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
