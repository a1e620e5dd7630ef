"""Joining the registry, before anything else is done: our own entry is taken, and with `solo` it is seen to that we are
the only executor of our machine.

Who stands in the way is somebody that was seen to renew its Lease. A Lease that is only there is waited for: within a
lease time it is renewed, or dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bugcommand_operator.cluster.errors import AlreadyExists, ClusterError, Conflict
from bugcommand_operator.core.liveness import is_dead, is_known_alive
from bugcommand_operator.executor.lease import CannotRun, holder_of
from bugcommand_operator.executor.registry import Registry, spec_of

log = structlog.get_logger()


async def join(registry: Registry, stop: asyncio.Event) -> bool:
    """False: we were asked to stop first. Raises CannotRun. An API server that is away is waited for."""
    while not stop.is_set():
        try:
            if await step(registry):
                return True
        except ClusterError as error:
            log.warning("the registry was not reached, trying again", error=str(error))
        await _pause(stop, registry.every)
    return False


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def step(registry: Registry) -> bool:
    """True: we have joined. Our entry is there before we look for others, so of two that start at once one sees the
    other; that both then refuse is possible, and both are started anew."""
    await registry.look()
    if not await _own_entry_is_taken(registry):
        return False
    await registry.show_ourselves()
    await registry.look()
    in_doubt = [name for name in registry.leases if _stands_in_the_way(registry, name)]
    for name in in_doubt:
        if is_known_alive(registry.lookout, name):
            await registry.leave()
            raise CannotRun(_solo_message(registry, name))
    if in_doubt:
        return False
    registry.judge_anew()
    return True


async def _own_entry_is_taken(registry: Registry) -> bool:
    mine = registry.leases.get(registry.entry.name)
    if mine is None or holder_of(mine) in {"", registry.entry.holder}:
        return await _unless_another_was_faster(registry.renew)
    if is_known_alive(registry.lookout, registry.entry.name):
        raise CannotRun(_same_id_message(registry))
    if not is_dead(registry.lookout, registry.entry.name):
        log.info("another process of our id may be alive: waiting to see", holder=holder_of(mine))
        return False
    version = mine["metadata"]["resourceVersion"]
    return await _unless_another_was_faster(lambda: registry.renew(over=version))


async def _unless_another_was_faster(act: Callable[[], Awaitable[None]]) -> bool:
    try:
        await act()
    except (Conflict, AlreadyExists, CannotRun):
        return False  # the next look shows who has it
    return True


def _stands_in_the_way(registry: Registry, name: str) -> bool:
    if name == registry.entry.name or not registry.is_in_use(name):
        return False
    mine, other = registry.entry.spec, spec_of(registry.entries.get(name))
    return other is not None and other.machine_id == mine.machine_id and (mine.solo or other.solo)


def _solo_message(registry: Registry, name: str) -> str:
    mine, other = registry.entry.spec, spec_of(registry.entries.get(name))
    how = "This one is to be solo" if mine.solo else "It is solo"
    without = "start this one without --solo" if mine.solo else "start it without --solo"
    return (
        f"Executor {other.instance_id if other else name} of machine {mine.machine_id} is alive "
        f"({_who(registry, name)}). {how}: stop that one first, or {without}."
    )


def _same_id_message(registry: Registry) -> str:
    name = registry.entry.name
    return (
        f"Executor {registry.entry.spec.instance_id} is alive already ({_who(registry, name)}): "
        "stop it first, or give this one an id of its own (--id or MENTU_EXECUTOR_ID)."
    )


def _who(registry: Registry, name: str) -> str:
    status = (registry.entries.get(name) or {}).get("status") or {}
    holder = holder_of(registry.leases[name])
    return f"{status.get('pid') or holder}, started {status.get('startedAt') or 'at an unknown time'}"
