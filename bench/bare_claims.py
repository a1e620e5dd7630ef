"""A peer of the scale run: claims whatever it is shown, as many at a time as an executor does, and nothing else.

python -m bench.bare_claims NAMESPACE
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.kube import GROUP, Api, Raw
from bench.raw_loop import claim

AT_ONCE = 16
WATCHES = "watching"


async def main(namespace: str) -> None:
    commands = f"{GROUP}/namespaces/{namespace}/bugcommands"
    shown: asyncio.Queue[Raw] = asyncio.Queue()
    async with Api.connect() as api, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(_claim_each(api, commands, shown))
        async for event in api.watch(commands):
            if event["type"] == "LISTED":
                sys.stdout.write(f"{WATCHES}\n")
                sys.stdout.flush()
            elif event["type"] == "ADDED":
                shown.put_nowait(event["object"]["metadata"])


async def _claim_each(api: Api, commands: str, shown: asyncio.Queue[Raw]) -> None:
    while True:
        await claim(api, commands, await shown.get())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
