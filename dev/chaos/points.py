"""Every call of an executor to the API server, named as it is made, and parked until the schedule lets it go on.

A call has two moments: it takes effect, and its answer arrives. Between them anything may happen to anybody, and either
may fail to come. Nothing here decides which: a `Schedule` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.cluster_model import ClusterModel
from tests.support.fake_kube import FakeKube

from bugcommand_operator.api.names import LABEL_ROLE
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Page, Raw
from bugcommand_operator.cluster.reach import Reach
from dev.chaos.clock import NOW

PRECONDITIONS = ("resourceVersion", "uid")
SUFFIXES = ("agent", "publish", "rescue", "ship", "worktree", "mirror", "checkout")


@dataclass(frozen=True, order=True)
class Point:
    """A place in the executor at which it speaks to the API server."""

    verb: str
    what: str

    @property
    def writes(self) -> bool:
        return self.verb not in {"get", "list"}

    def __str__(self) -> str:
        return f"{self.verb} {self.what}"


@dataclass(eq=False)
class Parked:
    """A call that was made. `answer` is what the API server said, once it has taken effect."""

    point: Point
    target: str
    effect: Callable[[], Any]
    waiting: asyncio.Future[Any]
    asked_at: datetime
    body: Raw | None = None
    """Of a patch: what it would change."""
    has_taken_effect: bool = False
    answer: Any = None

    def take_effect(self) -> None:
        self.has_taken_effect = True
        try:
            self.answer = self.effect()
        except ClusterError as error:
            self.answer = error

    def deliver(self, answer: Any) -> None:
        if self.waiting.done():
            return
        if isinstance(answer, BaseException):
            self.waiting.set_exception(answer)
        else:
            self.waiting.set_result(answer)


@dataclass
class Line:
    """One process's connection: what it has asked and not heard the answer to."""

    reach: Reach
    now: Callable[[], datetime]
    """The cluster's time."""
    parked: list[Parked] = field(default_factory=list)
    is_dead: bool = False
    has_heard: bool = False

    async def ask(self, point: Point, target: str, effect: Callable[[], Any], body: Raw | None = None) -> Any:
        if self.is_dead:
            raise asyncio.CancelledError
        waiting = asyncio.get_running_loop().create_future()
        call = Parked(point, target, effect, waiting, self.now(), body)
        self.parked.append(call)
        with self.reach.noting(writes=point.writes):
            answer = await call.waiting
        self.has_heard = True
        return answer


class ParkingKube(FakeKube):
    """The port to the API server over a modelled cluster, through a `Line`."""

    def __init__(self, cluster: ClusterModel, line: Line) -> None:
        super().__init__(cluster)
        self._line = line

    def now(self) -> datetime:
        """As the client has it from the answers, once there was one; until then by the process's own clock."""
        return self.cluster.now if self._line.has_heard else NOW.get()()

    @property
    def reach(self) -> Reach:
        return self._line.reach

    async def get(self, kind: str, namespace: str | None, name: str) -> Raw:
        point = Point("get", f"{kind}/{part_of(name)}")
        return await self._ask(point, name, lambda: self.cluster.get(kind, namespace or "", name))

    async def pages(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        def page() -> Page:
            return Page(self.cluster.listed(kind, namespace, labels, fields), str(self.cluster.latest))

        yield await self._line.ask(Point("list", kind), kind, page)

    async def create(self, manifest: Raw) -> Raw:
        meta = manifest["metadata"]
        if manifest["kind"] == "Event":
            return await self._ask(Point("create", "Event"), meta["name"], lambda: manifest)
        role = (meta.get("labels") or {}).get(LABEL_ROLE) or part_of(meta["name"])
        point = Point("create", f"{manifest['kind']}/{role}")
        return await self._ask(point, meta["name"], lambda: self.cluster.create(manifest))

    async def patch(self, kind: str, namespace: str, name: str, body: Raw, *, status: bool = False) -> Raw:
        point = Point("patch", f"{kind}/{_patched(name, body, status=status)}")
        return await self._ask(
            point, name, lambda: self.cluster.patch(kind, namespace, name, body, status=status), body
        )

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str | None = None, version: str | None = None
    ) -> Raw:
        point = Point("delete", f"{kind}/{part_of(name)}")
        return await self._ask(point, name, lambda: self.cluster.delete(kind, namespace, name, uid, version))

    async def _ask(self, point: Point, target: str, effect: Callable[[], Raw], body: Raw | None = None) -> Raw:
        answer: Raw = await self._line.ask(point, target, effect, body)
        return answer


def part_of(name: str) -> str:
    suffix = name.rpartition("-")[2]
    return suffix if suffix in SUFFIXES else "other"


def _patched(name: str, body: Raw, *, status: bool) -> str:
    """A status by what it tells, as far as the written fields say; anything else by the fields alone."""
    if not status:
        fields = [f"{top}.{key}" for top in sorted(body) for key in sorted(body[top] or {}) if key not in PRECONDITIONS]
        return "+".join([part_of(name), *fields]).removeprefix("other+")
    written = body["status"]
    if "running" in written:
        return "status"
    if "claim" in written:
        return "status:claim"
    if set(written) == {"logs"}:
        return "status:logs"
    return f"status:{written['phase']}" if written.get("phase") else "status:same phase"
