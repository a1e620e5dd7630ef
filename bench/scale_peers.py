"""What the machine can do while a scale run runs, by programs that do as little as can be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench import bare_claims, many
from bench.census import Census, Watching
from bench.kube import Api
from bench.namespaces import fresh_namespace
from bench.pretending import command, commands_path
from bench.programs import program
from bench.subject import noop_subject
from bench.wait import until

CLAIMED_SECONDS = 300.0


async def burst(
    api: Api, namespace: str, census: Census, names: list[str], work: float, told: Callable[[int], None]
) -> float:
    """Seconds from the first request to the last claim; each agent works for `work`. `told` hears how many are claimed.
    Raises TookTooLong."""

    def claims() -> list[float]:
        lives = [census.lives.get(name) for name in names]
        return [life.claimed for life in lives if life is not None and life.claimed is not None]

    async def claimed() -> bool:
        told(len(claims()))
        return len(claims()) == len(names)

    began = time.monotonic()
    await many.make(api, commands_path(namespace), (command(name, work) for name in names))
    await until("all claims", claimed, CLAIMED_SECONDS)
    return max(claims()) - began


async def bare_burst(api: Api, folder: Path, namespace: str, size: int) -> float:
    """The same burst, claimed by a loop of watch and compare-and-set; what it made is gone afterwards."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fresh_namespace(api, namespace))
        census = await stack.enter_async_context(Watching(api, namespace))
        await stack.enter_async_context(_bare_claims(folder, namespace))
        took = await burst(api, namespace, census, [f"b{number}" for number in range(size)], 0, lambda _claimed: None)
        await many.empty(api, namespace)
    return took


async def noop_start(folder: Path, namespace: str, commands: int) -> float:
    """Seconds until a kopf operator that does nothing, started now, has been shown so many."""
    began = time.monotonic()
    async with noop_subject(folder, namespace, commands):
        return time.monotonic() - began


@asynccontextmanager
async def _bare_claims(folder: Path, namespace: str) -> AsyncIterator[int]:
    log = folder / "bare-claims.log"

    async def watches() -> bool:
        return bare_claims.WATCHES in await asyncio.to_thread(log.read_text)

    async with program(["-m", "bench.bare_claims", namespace], {}, log, watches) as pid:
        yield pid
