"""The etcd of a cluster on this machine, put into the state in which it is full: it serves reads and refuses writes.

It is the alarm that etcd itself raises at its quota, and that stays until somebody has made room and takes it back.
"""

from __future__ import annotations

from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout
from dev.cluster.layout import API_PORT

URL = "http://127.0.0.1:2379/v3"
NO_SPACE = "NOSPACE"


class FullEtcd:
    """Full while inside, whatever happens there. After a run that was killed there, `make cluster` makes room."""

    async def __aenter__(self) -> Self:
        try:
            await self._alarm("ACTIVATE")
        except BaseException:  # it may be full all the same
            await self._alarm("DEACTIVATE")
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._alarm("DEACTIVATE")

    @staticmethod
    async def is_of(server: str) -> bool:
        """Whether this is the etcd of that API server: both are on this machine, at the development cluster's ports."""
        if server != f"https://127.0.0.1:{API_PORT}":
            return False
        try:
            await _post("cluster/member/list", {})
        except (ClientError, TimeoutError):
            return False
        return True

    async def _alarm(self, action: str) -> None:
        members = (await _post("cluster/member/list", {}))["members"]
        for member in members:
            await _post("maintenance/alarm", {"action": action, "memberID": member["ID"], "alarm": NO_SPACE})


async def _post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with (
        ClientSession(timeout=ClientTimeout(total=10)) as session,
        session.post(f"{URL}/{path}", json=body) as answer,
    ):
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json(content_type=None)
        return found
