"""A StatefulSet seen by somebody who may scale it: only the scale is touched; a set that is gone has no executor."""

from __future__ import annotations

from typing import Any

import pytest

from bugcommand_operator.cluster.client import MERGE_PATCH, Cluster
from bugcommand_operator.cluster.errors import NotFound
from bugcommand_operator.cluster.stateful_set import StatefulSet

Raw = dict[str, Any]
SCALE = "/apis/apps/v1/namespaces/mentu-system/statefulsets/mentu-executor/scale"
PODS = "/api/v1/namespaces/mentu-system/pods"


class Answers(Cluster):
    """A path that has no answer is not found."""

    def __init__(self, answers: dict[str, Raw]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Raw]] = []

    async def request(self, method: str, path: str, **how: Any) -> Raw:
        self.asked.append((method, path, how))
        if path not in self.answers:
            raise NotFound(path, 404)
        return self.answers[path]


def executors(answers: dict[str, Raw]) -> tuple[Answers, StatefulSet]:
    cluster = Answers(answers)
    return cluster, StatefulSet(cluster, "mentu-system", "mentu-executor", "component=executor")


async def test_it_is_scaled_by_its_scale_alone() -> None:
    cluster, found = executors({SCALE: {"spec": {"replicas": 3}}})
    assert await found.replicas() == 3
    await found.scale(0)
    method, path, how = cluster.asked[-1]
    assert (method, path, how["body"], how["content_type"]) == ("PATCH", SCALE, {"spec": {"replicas": 0}}, MERGE_PATCH)


async def test_a_set_without_replicas_leaves_the_field_out() -> None:
    _, found = executors({SCALE: {"spec": {}}})
    assert await found.replicas() == 0


async def test_a_set_that_is_gone_has_none_and_cannot_come_back() -> None:
    _, found = executors({})
    assert await found.replicas() == 0
    await found.scale(0)
    with pytest.raises(NotFound):
        await found.scale(1)


async def test_pods_that_have_ended_are_not_counted_and_those_on_their_way_out_are() -> None:
    def pod(name: str, phase: str, **meta: Any) -> Raw:
        return {"metadata": {"name": name, **meta}, "status": {"phase": phase}}

    going = pod("going", "Running", deletionTimestamp="2026-03-01T12:00:00Z")
    cluster, found = executors({PODS: {"items": [going, pod("failed", "Failed"), {"metadata": {"name": "new"}}]}})
    assert await found.pods() == ["going", "new"]
    assert cluster.asked[-1][2]["query"] == {"labelSelector": "component=executor"}
