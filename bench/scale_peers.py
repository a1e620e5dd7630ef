"""A burst of commands, and a program that does as little as can be done of what it asks: it shows what the machine can
do in the same run. If it did not get there it has no time: nothing is concluded from it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bench import bare_claims, many
from bench.census import Census, Watching
from bench.kube import Api
from bench.namespaces import fresh_namespace
from bench.pretending import command, commands_path
from bench.programs import DidNotStart, program, says
from bench.wait import TookTooLong, until

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


@asynccontextmanager
async def bare_burst(api: Api, folder: Path, namespace: str, size: int) -> AsyncIterator[float | None]:
    """The seconds of the same burst, claimed by a loop of watch and compare-and-set. What it made is cleared at the end
    of the block, so that this is no part of what is measured in it."""
    took = None
    async with fresh_namespace(api, namespace):
        try:
            with suppress(TookTooLong, DidNotStart):
                took = await _claimed_barely(api, folder, namespace, size)
            yield took
        finally:
            await many.empty(api, namespace)


async def _claimed_barely(api: Api, folder: Path, namespace: str, size: int) -> float:
    async with AsyncExitStack() as stack:
        census = await stack.enter_async_context(Watching(api, namespace))
        await stack.enter_async_context(_bare_claims(folder, namespace))
        return await burst(api, namespace, census, [f"b{number}" for number in range(size)], 0, lambda _claimed: None)


@asynccontextmanager
async def _bare_claims(folder: Path, namespace: str) -> AsyncIterator[None]:
    log = folder / "bare-claims.log"
    async with program(["-m", "bench.bare_claims", namespace], {}, log, says(bare_claims.WATCHES, log)):
        yield
