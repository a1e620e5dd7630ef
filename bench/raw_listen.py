"""P7's peer: hears a name, posts the object under it. Nothing else.

python -m bench.raw_listen DATABASE_URL NAMESPACE COMMAND_FILE
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import psycopg

from bench.kube import GROUP, Api, Raw


async def main(url: str, namespace: str, command: Raw) -> None:
    path = f"{GROUP}/namespaces/{namespace}/bugcommands"
    async with Api.connect() as api, await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("LISTEN bench_raw")
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        async for heard in connection.notifies():
            await api.post(path, {**command, "metadata": {"name": heard.payload}})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
