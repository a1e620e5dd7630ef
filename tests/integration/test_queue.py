"""The queue and approval on a real API server: what it accepts, and executors that race for the last places."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api import Api, Raw, condition
from tests.integration.executors import MACHINE, ExecutorProcess

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.cluster.access_review import AccessReviewer
from bugcommand_operator.cluster.errors import Refused
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.token_review import KubernetesUser
from bugcommand_operator.gateway.deciding import decide

COMMANDS, LIMIT = 12, 2
NOWHERE = {"nodeSelector": {"mentu.dev/test": "nowhere"}}


def bug(**fields: Any) -> Raw:
    target = {"targetMachine": MACHINE, "podTemplate": NOWHERE}
    return {"prompt": "Fix it.", "repository": {"name": "shop"}, **target, **fields}


def decided(decision: Decision) -> Decided:
    return Decided(decision=decision, by="jane", at=datetime.now(UTC))


async def definitions(api: Api, **repository: Any) -> None:
    await api.make("Repository", "shop", {"url": "https://git.example.com/shop.git", **repository})
    await api.make("Agent", "claude", {})


async def test_executors_that_race_start_no_more_of_a_repository_than_its_limit(api: Api, tmp_path: Path) -> None:
    await definitions(api, concurrency={"limit": LIMIT})
    racers = [ExecutorProcess(tmp_path, api.namespace, f"bridge-queue-{n}") for n in range(3)]
    try:
        await asyncio.gather(*(racer.start() for racer in racers))
        await asyncio.gather(*(api.make("BugCommand", f"race-{n}", bug()) for n in range(COMMANDS)))
        bugs = await api.until_all("BugCommand", _all_are_placed)
        pods = await api.all("Pod")
    finally:
        await asyncio.gather(*(racer.kill() for racer in racers))
    assert len(pods) == LIMIT
    assert sorted(p["metadata"]["name"] for p in pods) == sorted(
        b["status"]["podName"] for b in bugs if b["status"].get("podName")
    )
    waiting = [b["status"] for b in bugs if not b["status"].get("claim")]
    assert sorted(status["queuePosition"] for status in waiting) == list(range(1, COMMANDS - LIMIT + 1))
    assert not any(b["status"].get("queuePosition") for b in bugs if b["status"].get("claim"))


def _all_are_placed(bugs: list[Raw]) -> bool:
    started = sum(1 for b in bugs if b.get("status", {}).get("podName"))
    places = {b.get("status", {}).get("queuePosition") for b in bugs} - {None}
    return started == LIMIT and len(bugs) == COMMANDS and places == set(range(1, COMMANDS - LIMIT + 1))


async def test_a_command_goes_on_when_it_is_approved_and_ends_when_it_is_rejected(api: Api, tmp_path: Path) -> None:
    await definitions(api, approval="Required")
    executor = ExecutorProcess(tmp_path, api.namespace, "bridge-approval")
    kube = Kube(api.cluster)
    try:
        await executor.start()
        for name in ("good", "bad"):
            await api.make("BugCommand", name, bug())
            await api.until("BugCommand", name, lambda b: b.get("status", {}).get("phase") == "AwaitingApproval")
        await decide(kube, api.namespace, "good", decided(Decision.APPROVED))
        await decide(kube, api.namespace, "bad", decided(Decision.REJECTED))
        await api.until("BugCommand", "good", lambda b: bool(b["status"].get("podName")))
        bad = await api.until("BugCommand", "bad", lambda b: b["status"].get("phase") == "Refused")
    finally:
        await executor.kill()
    assert condition(bad, "Succeeded")["reason"] == "ApprovalRejected"
    assert "jane" in condition(bad, "Succeeded")["message"]
    assert [p["metadata"]["name"] for p in await api.all("Pod")] == ["good-1-agent"]


async def test_what_was_decided_about_is_kept_as_it_was(api: Api) -> None:
    await api.make("BugCommand", "asked", bug(approval="Required"))
    with pytest.raises(Refused, match="stays Required"):
        await api.patch("BugCommand", "asked", {"spec": {"approval": "NotRequired"}})
    await api.patch("BugCommand", "asked", {"spec": {"prompt": "Fix it well."}})
    await decide(Kube(api.cluster), api.namespace, "asked", decided(Decision.APPROVED))
    with pytest.raises(Refused, match="approval decided"):
        await api.patch("BugCommand", "asked", {"spec": {"prompt": "Something else."}})
    await api.patch("BugCommand", "asked", {"spec": {"priority": 5, "cancel": True}})


async def test_the_right_to_approve_is_one_of_its_own(api: Api) -> None:
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{api.namespace}"
    for person, verbs in (("jane", ["approve"]), ("john", ["get", "create", "update", "patch", "delete"])):
        rule = {"apiGroups": ["mentu.dev"], "resources": ["bugcommands"], "verbs": verbs}
        await api.cluster.request("POST", f"{base}/roles", body={"metadata": {"name": person}, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": person}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}
        binding = {"metadata": {"name": person}, "roleRef": role, "subjects": [subject]}
        await api.cluster.request("POST", f"{base}/rolebindings", body=binding)
    reviewer = AccessReviewer(api.cluster)
    async with asyncio.timeout(10):  # the authorizer hears of a new role a moment later
        while not await reviewer.may(KubernetesUser("jane"), "approve", api.namespace):
            await asyncio.sleep(0.05)
    assert not await reviewer.may(KubernetesUser("john"), "approve", api.namespace)
