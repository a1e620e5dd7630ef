"""Executors as real processes on a real API server: races, kills at any moment, bad objects. No kubelet is needed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from tests.integration.api import Api, Raw, condition
from tests.integration.executors import MACHINE, ExecutorProcess
from tests.integration.kubelets import PretendedKubelet

COMMANDS = 30
NOWHERE = {"nodeSelector": {"mentu.dev/test": "nowhere"}}


def bug(**fields: Any) -> Raw:
    target = {"targetMachine": MACHINE, "podTemplate": NOWHERE}
    return {"prompt": "Fix it.", "repository": {"name": "shop"}, **target, **fields}


async def definitions(api: Api) -> None:
    await api.make("Repository", "shop", {"url": "https://git.example.com/shop.git"})
    await api.make("Agent", "claude", {})


def all_prepared(bugs: list[Raw]) -> bool:
    return len(bugs) == COMMANDS and all(b.get("status", {}).get("podName") for b in bugs)


async def test_racing_executors_claim_each_command_once_and_make_one_pod_for_it(api: Api, tmp_path: Path) -> None:
    racers = [ExecutorProcess(tmp_path, api.namespace, f"bridge-racer-{n}") for n in range(3)]
    await definitions(api)
    try:
        await asyncio.gather(*(racer.start() for racer in racers))
        await asyncio.gather(*(api.make("BugCommand", f"race-{n}", bug()) for n in range(COMMANDS)))
        bugs = await api.until_all("BugCommand", all_prepared)
        pods = await api.all("Pod")
    finally:
        await asyncio.gather(*(racer.kill() for racer in racers))
    assert {b["status"]["claim"]["epoch"] for b in bugs} == {1}
    assert {b["status"]["attempt"] for b in bugs} == {1}
    owners = Counter(pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods)
    assert owners == Counter(b["metadata"]["uid"] for b in bugs)


async def test_an_executor_that_is_killed_again_and_again_leaves_each_command_with_one_pod(
    api: Api, tmp_path: Path
) -> None:
    await definitions(api)
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-mortal")
    chance = random.Random(7)
    await asyncio.gather(*(api.make("BugCommand", f"kill-{n}", bug()) for n in range(COMMANDS)))
    try:
        for kills in range(4):
            await executor.start()
            wanted = (kills + 1) * COMMANDS // 6
            await api.until_all("BugCommand", lambda bugs, least=wanted: _claimed(bugs) >= least)  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 0.05))  # anywhere in a pass, not at its end
            await executor.kill()
        await executor.start()
        bugs = await api.until_all("BugCommand", all_prepared)
        pods, volumes = await api.all("Pod"), await api.all("PersistentVolumeClaim")
    finally:
        await executor.kill()
    assert {b["status"]["claim"]["executor"] for b in bugs} == {"bridge-mortal"}
    assert sorted(p["metadata"]["name"] for p in pods) == sorted(b["status"]["podName"] for b in bugs)
    assert len([v for v in volumes if v["metadata"]["name"].endswith("-worktree")]) == COMMANDS


async def test_agents_that_end_while_no_executor_is_there_are_found_by_the_next_though_not_in_its_first_list(
    api: Api, tmp_path: Path
) -> None:
    await definitions(api)
    executor, kubelet = ExecutorProcess(tmp_path, api.namespace, "bridge-missed"), PretendedKubelet(api)
    kubelet.ends = False
    telling = asyncio.create_task(kubelet.run())
    try:
        await executor.start()
        await asyncio.gather(*(api.make("BugCommand", f"missed-{n}", bug(output="None")) for n in range(3)))
        await api.until_all("BugCommand", lambda bugs: _in_phase("Running", bugs) == 3)
        await executor.kill()
        kubelet.ends = True
        await api.until_all("Pod", lambda pods: _in_phase("Succeeded", pods) == 3)
        await executor.start()
        bugs = await api.until_all("BugCommand", lambda bugs: _in_phase("Succeeded", bugs) == 3)
    finally:
        telling.cancel()
        await executor.kill()
    assert {bug["status"]["attempt"] for bug in bugs} == {1}
    assert kubelet.seen == Counter(f"missed-{n}-1-agent" for n in range(3))


def _in_phase(phase: str, objects: list[Raw]) -> int:
    return sum(1 for each in objects if each.get("status", {}).get("phase") == phase)


def _claimed(bugs: list[Raw]) -> int:
    return sum(1 for b in bugs if b.get("status", {}).get("claim"))


async def test_a_command_waits_with_a_reason_for_what_is_missing_and_goes_on_when_it_comes(
    api: Api, tmp_path: Path
) -> None:
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-waiting")
    try:
        await executor.start()
        await api.make("BugCommand", "early", bug())
        await api.until("BugCommand", "early", lambda b: condition(b, "Ready").get("reason") == "RepositoryNotFound")
        await api.make("Repository", "shop", {"url": "https://git.example.com/shop.git"})
        waiting = await api.until(
            "BugCommand", "early", lambda b: condition(b, "Ready").get("reason") == "AgentNotFound"
        )
        assert "claude" in condition(waiting, "Ready")["message"]
        assert condition(waiting, "Stalled")["status"] == "True"
        await api.make("Agent", "claude", {})
        await api.until("BugCommand", "early", lambda b: bool(b["status"].get("podName")))
    finally:
        await executor.kill()


async def test_a_squatted_pod_name_is_not_adopted(api: Api, tmp_path: Path) -> None:
    await definitions(api)
    await _make_pod(api, "squat-1-agent")
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-squat", MENTU_START_DEADLINE_SECONDS="1")
    try:
        await executor.start()
        await api.make("BugCommand", "squat", bug())
        failed = await api.until("BugCommand", "squat", lambda b: b.get("status", {}).get("phase") == "Failed")
    finally:
        await executor.kill()
    assert condition(failed, "Succeeded")["reason"] in {"NameTaken", "PodRejected"}
    assert "squat-1-agent" in condition(failed, "Succeeded")["message"]
    squatter = await api.get("Pod", "squat-1-agent")
    assert "deletionTimestamp" not in squatter["metadata"]


async def _make_pod(api: Api, name: str) -> None:
    spec = {"nodeSelector": NOWHERE["nodeSelector"], "containers": [{"name": "agent", "image": "none"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    await api.cluster.request("POST", f"/api/v1/namespaces/{api.namespace}/pods", body=body)


async def test_a_command_that_is_deleted_before_its_agent_ran_leaves_nothing_behind(api: Api, tmp_path: Path) -> None:
    await definitions(api)
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-deleting")
    try:
        await executor.start()
        await api.make("BugCommand", "gone", bug())
        await api.until("BugCommand", "gone", lambda b: bool(b.get("status", {}).get("podName")))
        await api.delete("BugCommand", "gone")
        await api.until_all("BugCommand", lambda bugs: not bugs)
        await api.until_all("Pod", lambda pods: not pods)
        names = {v["metadata"]["name"] for v in await api.all("PersistentVolumeClaim")}
    finally:
        await executor.kill()
    assert "gone-worktree" not in names or "deletionTimestamp" in str(
        await api.get("PersistentVolumeClaim", "gone-worktree")
    )


async def test_a_command_in_a_namespace_that_refuses_its_pod_says_so(api: Api, tmp_path: Path) -> None:
    """A quota stands for all that may refuse a pod: Pod Security, an admission webhook, RBAC."""
    await definitions(api)
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await api.cluster.request("POST", f"/api/v1/namespaces/{api.namespace}/resourcequotas", body=body)
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-quota")
    try:
        await executor.start()
        await api.make("BugCommand", "refused", bug())
        held = await api.until("BugCommand", "refused", lambda b: condition(b, "Ready").get("reason") == "PodRejected")
        assert "quota" in condition(held, "Ready")["message"]
        await api.cluster.request("DELETE", f"/api/v1/namespaces/{api.namespace}/resourcequotas/none")
        await api.until("BugCommand", "refused", lambda b: bool(b["status"].get("podName")))
    finally:
        await executor.kill()
