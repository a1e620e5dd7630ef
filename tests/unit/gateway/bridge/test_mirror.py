"""What is written of BugCommands: each by its namespace and name, whatever others are called."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from prometheus_client import CollectorRegistry

from bugcommand_operator.cluster.watch import Raw
from bugcommand_operator.gateway.bridge.events import Events
from bugcommand_operator.gateway.bridge.mirror import Mirror
from bugcommand_operator.gateway.bridge.states import state_of
from bugcommand_operator.gateway.bridge.translate import LABEL_BRIDGE, name_of
from bugcommand_operator.store.bridge_commands import BridgeCommands, Followed

COMMAND = "00000000-0000-4000-8000-000000000001"


class Rows:
    def __init__(self) -> None:
        self.states: list[Followed] = []

    async def follow(self, states: Sequence[Followed]) -> int:
        self.states += states
        return len(states)


def bug(namespace: str, truth: str | None) -> Raw:
    conditions: list[Any] = [{"type": "Succeeded", "status": truth}] if truth else []
    meta = {"namespace": namespace, "name": name_of(COMMAND), "labels": {LABEL_BRIDGE: COMMAND}}
    return {"metadata": meta, "status": {"conditions": conditions}}


async def test_one_of_the_same_name_in_another_namespace_hides_no_end() -> None:
    rows = Rows()
    mirror = Mirror(cast(BridgeCommands, rows), Events(CollectorRegistry()))
    for obj in (bug("team-a", "True"), bug("evil", None)):
        mirror._see(obj, state_of(obj))
    writing = asyncio.create_task(mirror.write())
    async with asyncio.timeout(10):
        while len(rows.states) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    writing.cancel()
    assert {(one.namespace, one.status) for one in rows.states} == {("team-a", "completed"), ("evil", "claimed")}
