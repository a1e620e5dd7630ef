"""What an executor does beside its passes: each of these would be missed by nobody until it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tests.support.cluster_model import ClusterModel
from tests.support.fake_kube import FakeKube
from tests.support.operator_process import populated

from bugcommand_operator.cluster import reach
from bugcommand_operator.executor import main, positions, resync, starting, tails
from bugcommand_operator.executor.config import Config


async def test_what_is_done_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again: dict[str, float] = {}

    async def every(seconds: float, once: Callable[[], Awaitable[None]]) -> None:
        again[once.__qualname__] = seconds

    monkeypatch.setattr(main, "every", every)
    config = Config(executor_id="bridge-0", database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    executor = main.Executor(config, FakeKube(populated(ClusterModel())))
    monkeypatch.setattr(executor, "_watch", lambda _stop: asyncio.sleep(0))
    await asyncio.wait_for(executor._work(asyncio.Event()), 30)

    assert again == {
        "Executor._pulse": reach.PULSE_SECONDS,
        "Resync.once": resync.EVERY_SECONDS,
        "Sweeper.once": config.sweep_every_seconds,
        "Tails.each_second": tails.EVERY_SECONDS,
        "Positions.round": positions.EVERY_SECONDS,
        "Executor._start_more": starting.EVERY_SECONDS,
    }


def test_whoever_wants_an_end_comes_before_a_burst(tmp_path: Path) -> None:
    config = Config(executor_id="bridge-0", database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    executor = main.Executor(config, FakeKube(ClusterModel()))

    assert executor._routes._enqueue_at_once == executor._queue.add_at_once


def test_a_claim_that_a_watch_has_shown_is_told_to_the_passes(tmp_path: Path) -> None:
    config = Config(executor_id="bridge-0", database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    executor = main.Executor(config, FakeKube(ClusterModel()))

    assert executor._world.claim_was_shown == executor._reconciler.claim_was_shown


async def test_how_long_a_pass_waited_for_a_worker_is_measured(tmp_path: Path) -> None:
    def passes() -> float:
        return REGISTRY.get_sample_value("mentu_queue_wait_seconds_count") or 0.0

    config = Config(executor_id="bridge-0", database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    executor = main.Executor(config, FakeKube(ClusterModel()))
    before = passes()
    running = asyncio.create_task(executor._queue.run())
    executor._queue.add(("team-a", "gone"))
    async with asyncio.timeout(30):
        while len(executor._queue):  # noqa: ASYNC110 - a queue that is empty announces nothing
            await asyncio.sleep(0)
    running.cancel()
    assert passes() == before + 1
