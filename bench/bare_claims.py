"""A peer of the scale run: claims whatever it is shown, as many at a time as an executor does, and nothing else.

python -m bench.bare_claims NAMESPACE
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.kube import GROUP, Api, ApiError, Raw, WentWrong
from bench.raw_loop import claim
from bugcommand_operator.executor.asking import AT_ONCE, Sort

WATCHES = "watching"


async def main(namespace: str) -> None:
    commands = f"{GROUP}/namespaces/{namespace}/bugcommands"
    shown: asyncio.Queue[Raw] = asyncio.Queue()
    async with Api.connect() as api, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE[Sort.CLAIM]):
            group.create_task(_claim_each(api, commands, shown))
        async for event in api.watch(commands):
            if event["type"] == "LISTED":
                sys.stdout.write(f"{WATCHES}\n")
                sys.stdout.flush()
            elif event["type"] == "ADDED":
                shown.put_nowait(event["object"]["metadata"])
            elif event["type"] == "ERROR":
                raise WentWrong(str(event["object"]))


async def _claim_each(api: Api, commands: str, shown: asyncio.Queue[Raw]) -> None:
    while True:
        meta = await shown.get()
        try:
            await claim(api, commands, meta)
        except TimeoutError:
            shown.put_nowait(meta)
        except ApiError as error:
            if error.status == 429 or error.status >= 500:
                shown.put_nowait(meta)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
