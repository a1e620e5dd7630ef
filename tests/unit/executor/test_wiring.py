"""What an executor does beside its passes: each of these would be missed by nobody until it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
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
