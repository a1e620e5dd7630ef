"""P12's readers: so many connections of server-sent events, each until it has seen so many lines.

python -m bench.live_readers URL TOKEN COMMAND_ID READERS LINES; says `ready`, then a JSON list of [seq, time].
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp

Seen = list[tuple[int, float]]


async def main(url: str, token: str, command_id: str, readers: int, lines: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    seen: Seen = []
    opened = asyncio.Semaphore(0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        address = f"{url}/live/v1/spawn_logs?command_id=eq.{command_id}"
        reading = [asyncio.create_task(read(session, address, lines, seen, opened)) for _ in range(readers)]
        for _ in reading:
            await asyncio.wait_for(opened.acquire(), 60)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.gather(*reading)
    sys.stdout.write(json.dumps(seen))


async def read(session: aiohttp.ClientSession, url: str, lines: int, seen: Seen, opened: asyncio.Semaphore) -> None:
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=120)) as response:
        response.raise_for_status()
        opened.release()
        found = 0
        async for raw in response.content:
            if raw.startswith(b"data:") and b'"seq"' in raw:
                seen.append((json.loads(raw[5:])["seq"], time.perf_counter()))
                found += 1
                if found == lines:
                    return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
