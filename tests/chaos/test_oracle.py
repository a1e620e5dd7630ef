"""The harness is worth something only if it finds bugs: each of these is planted, and found within some schedules."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from dev.chaos.clock import simulated
from dev.chaos.fates import Outage, Profile, revoked
from dev.chaos.oracle import Violation
from dev.chaos.points import ParkingKube
from dev.chaos.running import Found, run_all
from dev.chaos.schedule import Schedule
from dev.chaos.sweep import life
from tests.support.cluster_model import ClusterModel

from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.cluster.errors import AccessDenied, ClusterUnavailable
from bugcommand_operator.cluster.kube import Raw
from bugcommand_operator.core import decide
from bugcommand_operator.core.executors import Executors
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Plan
from bugcommand_operator.core.policies import after, claim_fence, deletion, ending, gate, start
from bugcommand_operator.executor import reconcile
from bugcommand_operator.executor.act import Actor
from bugcommand_operator.executor.registry import Registry

SEEDS = range(400)


def complaints(found: Found) -> str:
    return "\n".join(failure.why for failure in found.failures)


def test_an_api_server_without_compare_and_set_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    patch = ClusterModel.patch

    def over_any_version(self: ClusterModel, kind: str, namespace: str, name: str, body: Raw, **options: Any) -> Raw:
        found = self._found(kind, namespace, name)["metadata"]["resourceVersion"]
        metadata = {k: found if k == "resourceVersion" else v for k, v in (body.get("metadata") or {}).items()}
        return patch(self, kind, namespace, name, {**body, "metadata": metadata}, **options)

    monkeypatch.setattr(ClusterModel, "patch", over_any_version)
    assert "epoch" in complaints(run_all(SEEDS, 1))


def test_a_status_that_is_written_over_no_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    patch = ParkingKube.patch

    async def without_version(self: ParkingKube, kind: str, ns: str, name: str, body: Raw, **options: Any) -> Raw:
        return await patch(self, kind, ns, name, {**body, "metadata": {}}, **options)

    monkeypatch.setattr(ParkingKube, "patch", without_version)
    assert "over no version" in complaints(run_all(SEEDS, 1))


def test_a_pod_that_is_made_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_why_the_pod_is_gone", lambda _seen: None)
    found = complaints(run_all(SEEDS, 1))
    assert "ran again" in found or "hot loop" in found


def test_work_that_goes_with_its_volume_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "work_is_safe", lambda _seen: True)
    monkeypatch.setattr(after, "work_is_safe", lambda _seen: True)
    assert "work was lost" in complaints(run_all(SEEDS, 1))


def test_pods_that_go_on_after_the_end_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after, "_stray_pods", lambda _seen: ())
    monkeypatch.setattr(deletion, "_pods_to_end", lambda _seen: [])
    assert complaints(run_all(SEEDS, 1))


def test_a_gate_that_opens_before_the_finalizer_holds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_is_prepared", lambda _seen: True)
    assert complaints(run_all(SEEDS, 1))


def test_claims_of_which_too_many_are_kept_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tuple(policy for policy in decide.POLICIES if policy is not claim_fence.give_back_too_much)
    monkeypatch.setattr(decide, "POLICIES", kept)
    assert "work at once" in complaints(run_all(SEEDS, 3))


def test_a_claim_that_is_given_back_though_its_pod_was_made_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def whatever_was_made(seen: Observed, now: datetime) -> Plan | None:
        pod = seen.agent_pod
        if seen.command.is_active and pod is not None and pod.is_gated:
            return claim_fence._give_back(seen, now, Reason.CONCURRENCY_LIMIT_REACHED, "planted")
        return fence(seen, now)

    fence = claim_fence.give_back_too_much
    planted = tuple(whatever_was_made if policy is fence else policy for policy in decide.POLICIES)
    monkeypatch.setattr(decide, "POLICIES", planted)
    assert "that a pod had been made for" in complaints(run_all(SEEDS, 1))


def test_a_claim_that_another_executor_does_not_respect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "POLICIES", tuple(p for p in decide.POLICIES if p is not decide.not_mine))
    monkeypatch.setattr(reconcile, "leave_to_its_executor", lambda _seen, _now: None)
    assert "wrote over the claim" in complaints(run_all(SEEDS, 1))


def test_one_that_is_taken_for_dead_though_it_is_seen_alive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Executors, "has_died", lambda self, _executor: bool(self.live))
    assert "was taken for dead" in complaints(run_all(SEEDS, 1))


def test_one_that_is_taken_for_dead_because_nobody_could_write_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    renew = Registry.renew

    async def whether_it_could_write_or_not(self: Registry, over: str = "") -> None:
        with contextlib.suppress(AccessDenied, ClusterUnavailable):
            await renew(self, over)

    monkeypatch.setattr(Registry, "renew", whether_it_could_write_or_not)
    with simulated(), asyncio.Runner() as runner, pytest.raises(Violation, match="was taken for dead"):
        for seed in SEEDS:
            runner.run(Schedule(seed, mixes=_two_that_may_not_write_for_a_while).run())


def _two_that_may_not_write_for_a_while(dice: random.Random, rounds: int) -> Profile:
    outage = Outage(4, 16, "RBAC revoked", revoked, writes_only=True)
    return replace(Profile.bereaved(dice, rounds), loses_one=False, outage=outage)


def test_a_dead_executor_whose_commands_nobody_takes_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Executors, "has_died", lambda *_: False)
    assert "has not ended" in complaints(run_all(SEEDS, 1))


def test_an_attempt_of_which_nothing_is_noted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "note_attempt", lambda *_: None)
    assert "noted" in complaints(run_all(SEEDS, 1))


def test_a_volume_that_stays_its_commands_while_another_attempt_works_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def as_it_is(self: Actor, _seen: Observed, manifest: Raw) -> None:
        await self._ensure_volume(manifest)

    monkeypatch.setattr(Actor, "_ensure_own", as_it_is)
    monkeypatch.setattr(gate, "_own_volume", lambda seen: seen.volume)
    with simulated(), asyncio.Runner() as runner, pytest.raises(Violation, match="work was lost"):
        for seed in SEEDS:
            runner.run(life("a fix", "retried and deleted", seed).run())
