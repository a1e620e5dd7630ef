"""What an executor on a real API server says of itself: probes over its real watches, metrics of its real work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.api import Api
from tests.integration.executors import MACHINE, ExecutorProcess

SECONDS = 120
KINDS = {"BugCommand", "Repository", "Agent", "Pod", "PersistentVolumeClaim"}
Samples = dict[tuple[str, ...], float]


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def until_ready(executor: ExecutorProcess) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                if (await get(executor.ports["MENTU_LIVENESS_PORT"], "/readyz"))[0] == 200:
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def scraped(executor: ExecutorProcess) -> Samples:
    _, text = await get(executor.ports["MENTU_METRICS_PORT"], "/metrics")
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return {(s.name, *s.labels.values()): s.value for s in samples}


async def test_an_executor_is_ready_once_its_watches_are_answered_and_counts_what_it_does(
    api: Api, tmp_path: Path
) -> None:
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-probed")
    try:
        await executor.start()
        await until_ready(executor)
        assert await get(executor.ports["MENTU_LIVENESS_PORT"], "/healthz") == (200, "ok")
        cancelled = {"prompt": "x", "repository": {"name": "none"}, "targetMachine": MACHINE, "cancel": True}
        await api.make("BugCommand", "cancelled", cancelled)
        await api.until_all(
            "BugCommand", lambda bugs: [b.get("status", {}).get("phase") for b in bugs] == ["Cancelled"]
        )
        samples = await scraped(executor)
    finally:
        await executor.kill()
    assert samples["mentu_finished_total", "Cancelled", "Cancelled"] == 1
    assert {key[1] for key in samples if key[0] == "mentu_last_watch_answer_timestamp_seconds"} == KINDS
    assert samples["mentu_reconcile_total", "done"] >= 1
    assert ("mentu_queue_depth",) in samples
