"""Keeps an executor whose command was taken over from making or deleting anything for it.

What is written over something that exists needs no help: statuses, finalizers and volumes are written over the version,
pods opened and deleted by the UID that was observed. What is left are creations, and the time between a decision and
its act, in which this process may have been stopped for minutes:

1. Nobody takes a command over before a whole lease time has passed in which our Lease was not renewed. So for most of
   a lease time after a renewal (counted from when it was asked for) our claims are ours, and an act needs no question.
2. After that, as when the process was stopped, or the API server away, the Lease is renewed first, which fails for good
   when another process has our id by now; then the command is read, and the act goes on only if its claim is still
   the observed one, epoch included. Else what was decided is forgotten and decided anew, now from what was read.
3. A process that is stopped for a lease time exactly between this question and its request can still send that
   one creation. Names are deterministic, so it either finds what the new owner has made, or makes what nobody opens: an
   agent's pod stays behind its gate until a status names it and a pass of the owner opens it, and what it would run has
   its marker on the volume. Publishing, rescuing and shipping log lines are harmless when they are done twice.
"""

from __future__ import annotations

import contextlib

from bugcommand_operator.cluster.errors import ClusterError, Conflict, NotFound
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.registry import Registry
from bugcommand_operator.executor.world import World


class Fence:
    def __init__(self, kube: Kube, world: World, registry: Registry) -> None:
        self._kube = kube
        self._world = world
        self._registry = registry

    async def confirm(self, observed: Command) -> None:
        """Raises Conflict when the claim is another by now, CannotRun when our id is another's."""
        if self._registry.nobody_took_over():
            return
        with contextlib.suppress(ClusterError):  # not being seen to be alive is no reason to leave work undone
            await self._registry.renew()
        current = await self._read(observed)
        if current is None or current.uid != observed.uid or current.status.claim != observed.status.claim:
            raise Conflict(f"{observed.name} has changed hands since it was observed")

    async def _read(self, observed: Command) -> Command | None:
        try:
            obj = await self._kube.get("BugCommand", observed.namespace, observed.name)
        except NotFound:
            self._world.command_is_gone(observed.key, observed.uid)
            return None
        return self._world.put_command(obj)
