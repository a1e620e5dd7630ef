"""Of a great many requests only so many are under way, and they go in the order in which they came."""

from __future__ import annotations

import asyncio
from typing import Any

from bugcommand_operator.cluster.kube import Kube


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self.answers: dict[str, asyncio.Event] = {}

    async def request(self, _method: str, path: str, **_: Any) -> dict[str, Any]:
        self.under_way.append(path)
        await self.answers.setdefault(path, asyncio.Event()).wait()
        self.under_way.remove(path)
        return {}


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_next_one_goes_as_soon_as_one_is_answered() -> None:
    cluster: Any = Slow()
    kube = Kube(cluster, at_once=2)
    asked = [asyncio.create_task(kube.get("Pod", "team-a", name)) for name in "abcd"]
    await settle()
    first, second = cluster.under_way
    cluster.answers[first].set()
    await settle()

    assert [path[-1] for path in (first, second)] == ["a", "b"]
    assert [path[-1] for path in cluster.under_way] == ["b", "c"]
    for task in asked:
        task.cancel()
