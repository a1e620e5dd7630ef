"""Executors that race for room that they share, in any order of hearing and working: never is more made than there is
room for, and in the end there is no less."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import LIMITS, ME, NAME, NAMESPACE, UID
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.core.settings import Identity, Limits

EXECUTORS, COMMANDS = 3, 4
SCHEDULES = st.lists(st.tuples(st.integers(0, EXECUTORS - 1), st.sampled_from(["hear", "look", "wait"])), max_size=70)
Raw = dict[str, Any]


def started(cluster: ClusterModel) -> int:
    """Commands for which something was made."""
    return sum(1 for obj in cluster.of_kind("Pod") if obj["metadata"]["name"].endswith("-agent"))


def running(cluster: ClusterModel) -> int:
    return sum(1 for obj in cluster.of_kind("BugCommand") if (obj.get("status") or {}).get("claim"))


async def act(cluster: ClusterModel, process: OperatorProcess, what: str) -> None:
    if what == "wait":
        cluster.now += timedelta(milliseconds=400)
    elif what == "hear":
        await process.hear(most=1)
    else:
        due = [key for key, at in process.due.items() if at <= cluster.now]
        if due:
            await process.one(due[0])


async def settle(cluster: ClusterModel, processes: list[OperatorProcess]) -> None:
    for _ in range(25):
        for process in processes:
            await process.work()
        cluster.now += timedelta(seconds=6)


async def race(schedule: list[tuple[int, str]], spec: Raw, repository: Raw, limits: Limits, most: int) -> ClusterModel:
    uids = [f"{n:08d}" + UID[8:] for n in range(COMMANDS)]
    cluster = populated(ClusterModel(), [bug_command(f"bug-{n}", NAMESPACE, uid, **spec) for n, uid in enumerate(uids)])
    cluster.patch("Repository", NAMESPACE, "shop", {"spec": repository})
    who = [Identity(f"bridge-{n}", "site-1") for n in range(EXECUTORS)]
    processes = [await OperatorProcess(cluster, identity, limits).start() for identity in who]
    for number, what in schedule:
        await act(cluster, processes[number], what)
        assert started(cluster) <= most
    await settle(cluster, processes)
    assert started(cluster) == running(cluster) == most
    return cluster


TWO = {"concurrency": {"limit": 2}}
CASES: dict[str, tuple[Raw, Raw, Limits, int]] = {
    "a Repository's limit": ({}, TWO, LIMITS, 2),
    "a namespace's limit": ({}, {}, replace(LIMITS, namespace=2), 2),
    "a machine's limit": ({}, {}, replace(LIMITS, machine=3), 3),
    "a checkout": ({"withWorktree": False}, {}, LIMITS, 1),
    "a commitment": ({"commitmentId": "cmt_one"}, {}, LIMITS, 1),
}


def too_much(most: int) -> list[tuple[int, str]]:
    """One claims all there is; another, which has not heard of it, fails to claim the same, and claims one more."""
    return [(0, "look")] * most + [(1, "look")] * (most + 1)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=30, deadline=None)
@given(has_too_much=st.booleans(), schedule=SCHEDULES)
def test_however_they_race_no_more_is_started_than_there_is_room_for(
    name: str, has_too_much: bool, schedule: list[tuple[int, str]]
) -> None:
    first = too_much(CASES[name][-1]) if has_too_much else []
    asyncio.run(race(first + schedule, *CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_who_claims_before_it_has_heard_of_the_others_gives_back_what_is_too_much(name: str) -> None:
    most = CASES[name][-1]
    cluster = asyncio.run(race(too_much(most), *CASES[name]))

    stati = {obj["metadata"]["name"]: obj["status"] for obj in cluster.of_kind("BugCommand")}
    assert [name for name, status in stati.items() if status.get("lastEpoch")] == [f"bug-{most}"]
    assert {status["claim"]["executor"] for status in stati.values() if status.get("claim")} == {"bridge-0"}


@pytest.mark.parametrize("name", CASES)
def test_who_hears_nothing_makes_nothing_however_long_that_takes(name: str) -> None:
    go_on = [(0, "hear")] * 30 + [(0, "wait")] * 10 + [(0, "look")] * 20 + [(1, "look")] * 20
    asyncio.run(race(too_much(CASES[name][-1]) + go_on, *CASES[name]))


@pytest.mark.parametrize(("repository", "goes_on"), [(TWO, True), ({}, False)], ids=["shared room", "room of its own"])
async def test_a_claim_of_shared_room_goes_on_as_soon_as_a_watch_has_shown_it(
    repository: Raw, *, goes_on: bool
) -> None:
    """Where no room is shared, the pass that claimed it goes on by itself."""
    cluster = populated(ClusterModel())
    cluster.patch("Repository", NAMESPACE, "shop", {"spec": repository})
    process = await OperatorProcess(cluster).start()
    claim = {"executor": ME.executor, "machine": ME.machine, "epoch": 1, "at": "2026-11-21T00:00:00Z"}
    answer = cluster.patch("BugCommand", NAMESPACE, NAME, {"status": {"claim": claim, "attempt": 1}}, status=True)
    process.world.put_command(answer)
    process.due.clear()

    await process.hear()

    assert list(process.due) == [(NAMESPACE, NAME)] * goes_on
