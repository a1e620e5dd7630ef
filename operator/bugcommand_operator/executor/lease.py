"""Our own Lease: made, renewed and given back, each by compare-and-set. It says that we are alive, and it keeps two
processes of one instance id apart, whose claims nothing else could: the second finds another holder.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bugcommand_operator.cluster.errors import AlreadyExists, Conflict, NotFound
from bugcommand_operator.cluster.kube import Kube, Raw
from bugcommand_operator.manifests.registry import Entry, held, lease_manifest, micro_time, released

MOST_TRIES = 3


class CannotRun(Exception):
    """Another executor stands in the way. Permanent as long as it does; the message says what to do."""


class OwnLease:
    def __init__(self, kube: Kube, entry: Entry, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._kube = kube
        self._entry = entry
        self._now = now
        self._version: str | None = None
        self._is_new = True
        """Not yet ours: taking it also says since when it is."""

    async def take(self, version: str) -> None:
        """Over exactly this version, whoever held it then."""
        self._version = version
        await self._once()

    async def renew(self) -> None:
        """Raises CannotRun when it is another's by now. What people do to the object besides is of no matter."""
        for _ in range(MOST_TRIES):
            try:
                return await self._once()
            except (Conflict, AlreadyExists):
                await self._look_again()
            except NotFound:
                self._version = None
        raise Conflict("our Lease changes faster than it can be renewed")

    async def give_back(self) -> bool:
        """False: it is not ours, perhaps another process's by now."""
        if self._version is None:
            return False
        body = {"metadata": {"resourceVersion": self._version}, "spec": released(self._now())}
        try:
            await self._kube.patch("Lease", self._entry.namespace, self._entry.name, body)
        except (Conflict, NotFound):
            return False
        return True

    async def _once(self) -> None:
        now = self._now()
        if self._version is None:
            answer = await self._kube.create(lease_manifest(self._entry, now))
        else:
            since = {"acquireTime": micro_time(now)} if self._is_new else {}
            body = {"metadata": {"resourceVersion": self._version}, "spec": {**held(self._entry, now), **since}}
            answer = await self._kube.patch("Lease", self._entry.namespace, self._entry.name, body)
        self._version, self._is_new = answer["metadata"]["resourceVersion"], False

    async def _look_again(self) -> None:
        try:
            found = await self._kube.get("Lease", self._entry.namespace, self._entry.name)
        except NotFound:
            self._version = None
            return
        if holder_of(found) not in {"", self._entry.holder}:
            raise CannotRun(
                f"Executor {self._entry.spec.instance_id} is another process by now, {holder_of(found)}: "
                "each needs an id of its own (--id or MENTU_EXECUTOR_ID)."
            )
        self._version = found["metadata"]["resourceVersion"]


def holder_of(lease: Raw) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")
