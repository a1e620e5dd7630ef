"""Each step of a command's life is counted once, by the executor whose write made it, with the times that it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.support.builders import LIMITS, NAME, NAMESPACE, NOW, UID, claimed, command, condition, working
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.kubelet import End, Kubelet, Script
from tests.support.operator_process import OperatorProcess, live, populated

from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus, Claim, Usage
from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor import metrics

Cluster = Callable[..., ClusterModel]
SAYS = {"reason": "Completed", "lines": 3, "usage": {"inputTokens": 1000, "outputTokens": 50, "costUSD": "0.25"}}
STEPS = (
    "mentu_pickup_seconds_count",
    "mentu_start_seconds_count",
    "mentu_workspace_seconds_count",
    "mentu_agent_seconds_count",
    "mentu_publish_seconds_count",
)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Grown:
    """How much a series has grown since this was made."""

    def __init__(self) -> None:
        self._before = {(s.name, *sorted(s.labels.items())): s.value for m in REGISTRY.collect() for s in m.samples}

    def __call__(self, name: str, **labels: str) -> float:
        return round(value(name, **labels) - self._before.get((name, *sorted(labels.items())), 0.0), 6)


@pytest.fixture
def grown() -> Grown:
    return Grown()


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    def make(script: Script | None = None, commands: list[dict[str, Any]] | None = None) -> ClusterModel:
        return populated(ClusterModel(kubelet=Kubelet(script or Script(agent=End(says=SAYS)))), commands)

    return make


async def test_a_life_from_creation_to_branch_is_counted_once(new: Cluster, grown: Grown) -> None:
    cluster = new()
    await live(cluster, await OperatorProcess(cluster).start())
    assert {step: grown(step) for step in STEPS} == dict.fromkeys(STEPS, 1.0)
    assert grown("mentu_claims_total", result="won") == 1
    assert grown("mentu_finished_total", phase="Succeeded", reason="Completed") == 1
    assert grown("mentu_command_seconds_count", phase="Succeeded") == 1
    assert grown("mentu_tokens_total", direction="input") == 1000
    assert grown("mentu_tokens_total", direction="output") == 50
    assert grown("mentu_cost_usd_total") == 0.25


async def test_a_process_started_anew_at_every_step_counts_nothing_twice(new: Cluster, grown: Grown) -> None:
    cluster = new()
    for _ in range(30):
        process = await OperatorProcess(cluster).start()
        await process.work()
        process.die()
        cluster.step()
    assert {step: grown(step) for step in STEPS} == dict.fromkeys(STEPS, 1.0)
    assert grown("mentu_finished_total", phase="Succeeded", reason="Completed") == 1
    assert grown("mentu_tokens_total", direction="input") == 1000


async def test_two_executors_that_see_the_same_life_count_it_once(new: Cluster, grown: Grown) -> None:
    cluster = new()
    one = await OperatorProcess(cluster).start()
    other = await OperatorProcess(cluster, Identity("bridge-1", "site-1")).start()
    for _ in range(30):
        await one.work()
        await other.work()
        cluster.step()
    assert grown("mentu_claims_total", result="won") == 1
    assert {step: grown(step) for step in STEPS} == dict.fromkeys(STEPS, 1.0)
    assert grown("mentu_finished_total", phase="Succeeded", reason="Completed") == 1


async def test_the_executor_that_comes_second_counts_a_lost_claim(new: Cluster, grown: Grown) -> None:
    cluster = new()
    late = await OperatorProcess(cluster, Identity("bridge-1", "site-1"), hears=False).start()
    await (await OperatorProcess(cluster).start()).work()
    await late.work()
    assert grown("mentu_claims_total", result="won") == 1
    assert grown("mentu_claims_total", result="lost") >= 1


async def test_a_failure_is_counted_by_its_reason(new: Cluster, grown: Grown) -> None:
    cluster = new(Script(agent=End(1, {"reason": "ModelCreditExhausted"})))
    await live(cluster, await OperatorProcess(cluster).start())
    assert grown("mentu_finished_total", phase="Failed", reason="ModelCreditExhausted") == 1
    assert grown("mentu_command_seconds_count", phase="Failed") == 1
    assert grown("mentu_publish_seconds_count") == 0


async def test_a_command_that_is_refused_by_a_rule_is_no_failure(new: Cluster, grown: Grown) -> None:
    end = End(3, {"reason": "PermissionDenied", "message": "no"})
    cluster = new(Script(workspace=end))
    await live(cluster, await OperatorProcess(cluster).start())
    assert grown("mentu_finished_total", phase="Refused", reason="PermissionDenied") == 1
    assert grown("mentu_agent_seconds_count") == 0


async def test_a_command_that_ends_unclaimed_has_no_execution_time(new: Cluster, grown: Grown) -> None:
    cluster = new(commands=[bug_command(NAME, NAMESPACE, UID, cancel=True)])
    await live(cluster, await OperatorProcess(cluster, limits=LIMITS).start())
    assert grown("mentu_finished_total", phase="Cancelled", reason="Cancelled") == 1
    assert grown("mentu_command_seconds_count", phase="Cancelled") == 0
    assert grown("mentu_pickup_seconds_count") == 0


def test_times_are_those_of_the_status(grown: Grown) -> None:
    made = command()
    picked = claimed(at=made.created_at + timedelta(seconds=3))
    metrics.count_written(made, picked, None)
    assert grown("mentu_pickup_seconds_sum") == 3.0

    started = picked.model_copy(update={"agent_start_time": picked.claim.at + timedelta(seconds=20)})  # type: ignore[union-attr]
    metrics.count_written(replace(made, status=picked), started, None)
    assert grown("mentu_start_seconds_sum") == 20.0


def test_a_later_report_adds_only_what_is_new_also_over_attempts(grown: Grown) -> None:
    def used(tokens: int, cost: str, attempt: int) -> BugCommandStatus:
        usage = Usage(input_tokens=tokens, output_tokens=0, cost_usd=cost)
        return working(attempt=attempt).model_copy(update={"usage": usage})

    reports = [working(attempt=1), used(100, "1", 1), used(150, "1.5", 1), used(150, "1.5", 2), used(190, "2", 2)]
    for before, after in pairwise(reports):
        metrics.count_written(command(before), after, None)
    assert grown("mentu_tokens_total", direction="input") == 190
    assert grown("mentu_cost_usd_total") == 2.0


def test_a_second_attempt_is_no_second_pickup(grown: Grown) -> None:
    put_back = BugCommandStatus(attempt=1)
    metrics.count_written(command(put_back), claimed(attempt=2), None)
    assert grown("mentu_claims_total", result="won") == 1
    assert grown("mentu_pickup_seconds_count") == 0


def test_an_attempt_that_another_follows_is_counted_and_the_command_is_not_until_its_end(grown: Grown) -> None:
    ended = Attempt(attempt=1, reason="ModelOverloaded", completion_time=NOW)
    released = working(attempts=[ended]).model_copy(update={"claim": None})
    metrics.count_written(command(working()), released, None)
    metrics.count_written(command(released), released, None)
    assert grown("mentu_attempts_total", reason="ModelOverloaded") == 1
    assert grown("mentu_finished_total", phase="Failed", reason="ModelOverloaded") == 0


def test_a_cost_that_is_no_amount_is_none() -> None:
    for text in ("much", "-1", "nan", "inf", "1e300"):
        assert metrics.dollars(Usage(cost_usd=text)) == 0.0


def test_clocks_that_disagree_make_no_negative_time(grown: Grown) -> None:
    made = command()
    metrics.count_written(made, claimed(at=made.created_at - timedelta(seconds=9)), None)
    assert grown("mentu_pickup_seconds_sum") == 0.0
    assert grown("mentu_pickup_seconds_count") == 1


def test_an_agents_time_ends_where_it_was_noticed_when_its_pod_is_gone(grown: Grown) -> None:
    begun = working(condition(ConditionType.AGENT_RUNNING, "True", "AgentStarted"), agent_start_time=NOW)
    gone = condition(ConditionType.AGENT_RUNNING, "False", "AgentEnded", at=NOW + timedelta(seconds=42))
    metrics.count_written(command(begun), working(gone, agent_start_time=NOW), None)
    assert grown("mentu_agent_seconds_sum") == 42.0


def test_a_take_over_is_counted_by_who_won_or_lost_it_and_is_no_claim(grown: Grown) -> None:
    before = command(claimed(executor="bridge-9"))
    claim = Claim(executor="bridge-0", machine="site-1", epoch=2, at=NOW)
    after = before.status.model_copy(update={"claim": claim})
    metrics.count_written(before, after, None)
    assert (grown("mentu_takeovers_total", result="won"), grown("mentu_takeovers_total", result="lost")) == (1, 0)
    metrics.count_lost(before, after)
    assert (grown("mentu_takeovers_total", result="won"), grown("mentu_takeovers_total", result="lost")) == (1, 1)
    assert grown("mentu_claims_total", result="won") == grown("mentu_claims_total", result="lost") == 0
