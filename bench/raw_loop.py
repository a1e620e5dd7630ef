"""P1's second peer: the least that can be done. Watch, compare-and-set the claim, post the pod; nothing else.

python -m bench.raw_loop NAMESPACE POD_SPEC_FILE
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.kube import GROUP, Api, Raw


async def main(namespace: str, spec: Raw) -> None:
    commands, pods = f"{GROUP}/namespaces/{namespace}/bugcommands", f"/api/v1/namespaces/{namespace}/pods"
    async with Api.connect() as api:
        async for event in api.watch(commands):
            if event["type"] == "LISTED":
                sys.stdout.write("watching\n")
                sys.stdout.flush()
            elif event["type"] == "ADDED":
                await claim(api, commands, event["object"]["metadata"])
                await api.post(pods, pod(event["object"]["metadata"], spec))


async def claim(api: Api, commands: str, meta: Raw) -> None:
    now = datetime.now(UTC).isoformat()
    status = {"claim": {"executor": "raw", "machine": "raw", "epoch": 1, "at": now}, "phase": "Claimed"}
    body = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}
    await api.patch(f"{commands}/{meta['name']}/status", body)


def pod(meta: Raw, spec: Raw) -> Raw:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{meta['name']}-1-agent"}, "spec": spec}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())))
