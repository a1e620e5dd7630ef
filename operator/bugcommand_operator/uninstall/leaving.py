"""The steps of leaving: who runs is respected, the executors are stopped, finalizers are taken off.

A finalizer may go once no executor is left, since it is not what keeps the work: a volume whose work is not safe
elsewhere has no owner, so it outlives its command. It is labelled as kept; an installation that comes later and finds
the command takes it in hand again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from bugcommand_operator.api.names import LABEL_KEPT
from bugcommand_operator.cluster.errors import ClusterUnavailable, Conflict, NotFound
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.reading import volume_from
from bugcommand_operator.uninstall.in_hand import Held, being_saved, in_hand, refusal, running

PAUSE_SECONDS = 2.0
AT_ONCE = 20
Answer = TypeVar("Answer")
log = structlog.get_logger()


class Refusal(Exception):
    """The installation had better stay. The message says why, and what to do."""


class Executors(Protocol):
    """The executors of this installation."""

    async def replicas(self) -> int: ...
    async def scale(self, replicas: int) -> None: ...
    async def pods(self) -> list[str]: ...


@dataclass(frozen=True)
class Wanted:
    machine: str
    namespaces: tuple[str, ...] = ()
    """Empty: all."""
    refuses: bool = False
    """Commands in progress keep the installation; else they are left to go on without it."""
    seconds: float = 200.0


class Leaving:
    def __init__(self, kube: Kube, executors: Executors, wanted: Wanted) -> None:
        self._kube = kube
        self._executors = executors
        self._wanted = wanted
        self._began = asyncio.get_running_loop().time()

    async def run(self) -> list[Held]:
        """Returns the commands that are left running. Raises Refusal, with everything as it was."""
        await self._until(self._nobody_is_disturbed)
        replicas = await self._asked(self._executors.replicas)
        if replicas:  # else nobody is there who would save anything
            await self._see_deletions_through()
        try:
            await self._asked(lambda: self._executors.scale(0))
            await self._until(self._no_executor_is_left)
            await self._until(self._nobody_is_disturbed)  # one may have been claimed meanwhile
            await self._until(self._nothing_is_held)
        except BaseException:
            await self._executors.scale(replicas)
            raise
        return running(await self._asked(self._in_hand))

    async def _see_deletions_through(self) -> None:
        """Half of the time is for that. A volume that is not saved by then stays."""
        try:
            await self._until(self._nothing_is_being_saved, self._wanted.seconds / 2)
        except Refusal as late:
            if self._wanted.refuses:
                raise
            log.warning("not waited for any longer", why=str(late))

    # What is asked until the answer is that there is no problem

    async def _nobody_is_disturbed(self) -> str:
        at_work = running(await self._in_hand())
        if at_work and self._wanted.refuses:
            raise Refusal(refusal(at_work, "are in progress, and the operator that sees to them would go"))
        return ""

    async def _nothing_is_being_saved(self) -> str:
        saved = being_saved(await self._in_hand())
        return refusal(saved, "are being deleted, and their work is still being saved") if saved else ""

    async def _no_executor_is_left(self) -> str:
        left = await self._executors.pods()
        return f"pods of the executor have not ended: {', '.join(left)}" if left else ""

    async def _nothing_is_held(self) -> str:
        held = [c for c in await self._in_hand() if c.holds_finalizer]
        for first in range(0, len(held), AT_ONCE):
            await all_of([self._let_go(c) for c in held[first : first + AT_ONCE]])
        return f"{len(held)} BugCommand(s) still hold the finalizer" if held else ""

    async def _until(self, problem: Callable[[], Awaitable[str]], seconds: float = 0.0) -> None:
        while found := await self._asked(problem):
            await self._pause(found, seconds)

    async def _asked(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """An API server that is away for a while is waited for."""
        while True:
            try:
                return await question()
            except ClusterUnavailable as error:
                await self._pause(str(error))

    async def _pause(self, why: str, seconds: float = 0.0) -> None:
        """Within so many seconds of the beginning, or within all that there are."""
        until = self._began + (seconds or self._wanted.seconds)
        if asyncio.get_running_loop().time() + PAUSE_SECONDS > until:
            raise Refusal(why)
        await asyncio.sleep(PAUSE_SECONDS)

    async def _let_go(self, command: Held) -> None:
        """Over the version that was read: whoever else changes it is heard first."""
        body = {"metadata": {"finalizers": command.other_finalizers, "resourceVersion": command.version}}
        with suppress(NotFound, Conflict):  # gone, or looked at once more
            await self._keep_volume(command)
            await self._kube.patch("BugCommand", command.namespace, command.name, body)
            log.info("let go", command=f"{command.namespace}/{command.name}", phase=command.phase)

    async def _keep_volume(self, command: Held) -> None:
        if not command.volume_name:
            return
        with suppress(NotFound):
            found = await self._kube.get("PersistentVolumeClaim", command.namespace, command.volume_name)
            volume = volume_from(found)
            if volume.command_uid == command.uid and not volume.is_owned:
                body = {"metadata": {"labels": {LABEL_KEPT: "true"}}}
                await self._kube.patch("PersistentVolumeClaim", command.namespace, volume.name, body)

    async def _in_hand(self) -> list[Held]:
        namespaces: list[str | None] = [*self._wanted.namespaces] or [None]
        objects = [obj for ns in namespaces for obj in await self._kube.list("BugCommand", ns)]
        return in_hand(objects, self._wanted.machine)


async def all_of(steps: list[Awaitable[None]]) -> None:
    """All are finished before the first error is raised."""
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
