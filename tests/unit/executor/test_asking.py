"""However many passes have something to do, only so many do it at a time, and the fence is asked when it is done."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.support.builders import LIMITS, NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.reconcile import ASK_AT_ONCE

MANY = 2 * ASK_AT_ONCE


class Hanging(FakeKube):
    """Takes claims, and answers nothing else that is written until it may."""

    def __init__(self, cluster: ClusterModel) -> None:
        super().__init__(cluster)
        self.may_answer = asyncio.Event()
        self.hang = 0

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.hang += 1
        await self.may_answer.wait()
        self.hang -= 1
        return await super().create(manifest)


async def test_only_so_many_ask_at_once_and_none_was_let_through_before_its_turn() -> None:
    names = [f"bug-{number:02d}" for number in range(MANY)]
    uids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(MANY)]
    commands = [bug_command(name, NAMESPACE, uid) for name, uid in zip(names, uids, strict=True)]
    cluster, let_through = populated(ClusterModel(), commands), list[str]()

    async def confirm(observed: Command) -> None:
        let_through.append(observed.name)

    limits = replace(LIMITS, executor=MANY)
    process = await OperatorProcess(cluster, limits=limits, kube_of=Hanging, confirm=confirm).start()
    kube = process.kube
    assert isinstance(kube, Hanging)
    passes: list[asyncio.Task[None]] = []
    for _ in range(20 * MANY):
        passes += [asyncio.create_task(process.one(key)) for key in list(process.due)]
        await asyncio.sleep(0)
        process.reconciler.starting.wake(process.enqueue)

    assert (kube.hang, len(let_through)) == (ASK_AT_ONCE, ASK_AT_ONCE)
    kube.may_answer.set()
    await asyncio.gather(*passes)
    assert set(let_through) == set(names)
