"""A cluster's controllers, swapped for slower ones: the cluster has its own back, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bench import default_limits
from bench.programs import DidNotStart
from dev.cluster import parts, processes, up
from dev.cluster.layout import Layout


def test_the_limits_and_nothing_else_are_left_to_their_defaults() -> None:
    raised = parts.argv("kube-controller-manager", Layout(Path("/cluster")))
    by_default = default_limits.without_limits(raised)
    assert set(raised) - set(by_default) == {"--kube-api-qps=1000", "--kube-api-burst=2000"}
    assert by_default == [argument for argument in raised if argument in by_default]


class Swap:
    """What was done, in its order. `cancel`: what is interrupted while the cluster's own are ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, starts: bool = True) -> None:
        self.done: list[str] = []
        self.starts = starts
        self.cancel: asyncio.Task[Any] | None = None
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(default_limits, "layout", lambda: Layout(Path("/cluster")))
        monkeypatch.setattr(processes, "end", self._end)
        monkeypatch.setattr(up, "restart", lambda _, names: self.done.append(f"own {names[0]} restarted"))
        monkeypatch.setattr(default_limits, "program", self._program)

    def _end(self, *_: object) -> None:
        self.done.append("own ended")
        if self.cancel is not None:
            self._loop.call_soon_threadsafe(self.cancel.cancel)

    @asynccontextmanager
    async def _program(self, *_: object, **__: object) -> AsyncIterator[None]:
        if not self.starts:
            raise DidNotStart
        self.done.append("slow started")
        try:
            yield
        finally:
            self.done.append("slow ended")


RESTARTED = "own kube-controller-manager restarted"


async def test_a_burst_that_fails_leaves_the_cluster_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    swap = Swap(monkeypatch)
    with pytest.raises(AssertionError):
        async with default_limits.default_limits(Path("/nowhere")):
            raise AssertionError
    assert swap.done == ["own ended", "slow started", "slow ended", RESTARTED]


async def test_slow_ones_that_do_not_start_leave_the_cluster_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    swap = Swap(monkeypatch, starts=False)
    with pytest.raises(DidNotStart):
        async with default_limits.default_limits(Path("/nowhere")):
            pass
    assert swap.done == ["own ended", RESTARTED]


async def test_an_interruption_while_its_own_are_ended_leaves_the_cluster_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swap = Swap(monkeypatch)

    async def swapped() -> None:
        async with default_limits.default_limits(Path("/nowhere")):
            pass

    swap.cancel = asyncio.create_task(swapped())
    with pytest.raises(asyncio.CancelledError):
        await swap.cancel
    assert swap.done == ["own ended", RESTARTED]
