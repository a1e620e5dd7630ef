"""While the agent's pod exists: its start, its work, and what each way of ending means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.builders import (
    COMMIT,
    LIMITS,
    NOW,
    PREPARED,
    condition,
    ended,
    ended_pod,
    held_command,
    observed,
    pod,
    running,
    waiting,
    working,
    working_pod,
)

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import AGENT_REASONS, WORKSPACE_REASONS, ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import CreatePod, DeletePod, Plan

RUNS = condition(ConditionType.AGENT_RUNNING, "True", Reason.AGENT_STARTED)


def doing(agent_pod: Pod, stored: BugCommandStatus | None = None, **spec: Any) -> Observed:
    return observed(held_command(stored or working(), **spec), agent_pod=agent_pod)


def found(plan: Plan, type_: ConditionType) -> tuple[str, str] | None:
    assert plan.status is not None
    return next(((c.status, c.reason) for c in plan.status.conditions if c.type == type_), None)


@dataclass(frozen=True)
class Ends:
    reason: Reason
    pod: Pod
    phase: Phase = Phase.FAILED
    stored: BugCommandStatus = field(default_factory=working)
    spec: dict[str, Any] = field(default_factory=dict)
    at: datetime = NOW


def prepared(code: int, reason: str = "", **says: Any) -> Pod:
    return pod(ended("workspace", code, says=says, reason=reason), waiting("agent"), phase="Pending")


WAITED = NOW + LIMITS.start + timedelta(seconds=1)
ENDINGS = {
    "an agent that fails, without a word": Ends(Reason.AGENT_FAILED, ended_pod(1)),
    "an agent that says why it failed": Ends(
        Reason.MODEL_CREDIT_EXHAUSTED, ended_pod(69, says={"reason": "ModelCreditExhausted", "message": "no credit"})
    ),
    "an agent whose attempt has run before": Ends(
        Reason.ATTEMPT_ALREADY_RAN, ended_pod(120, says={"reason": "AttemptAlreadyRan"})
    ),
    "an agent that makes up a reason": Ends(Reason.AGENT_FAILED, ended_pod(1, says={"reason": "BecauseISaySo"})),
    "an agent that says it was cancelled": Ends(Reason.AGENT_FAILED, ended_pod(1, says={"reason": "Cancelled"})),
    "an agent that says it was refused": Ends(Reason.AGENT_FAILED, ended_pod(1, says={"reason": "PermissionDenied"})),
    "an agent that fails and says it completed": Ends(Reason.AGENT_FAILED, ended_pod(1, says={"reason": "Completed"})),
    "an agent that runs out of memory": Ends(
        Reason.OUT_OF_MEMORY, pod(PREPARED, ended("agent", 137, reason="OOMKilled"), phase="Failed")
    ),
    "an evicted pod": Ends(Reason.EVICTED, ended_pod(137, reason="Evicted", message="The node was low on disk.")),
    "an evicted pod that shows no containers": Ends(Reason.EVICTED, pod(phase="Failed", reason="Evicted")),
    "a pod that the kubelet ended at its deadline": Ends(Reason.TIMED_OUT, ended_pod(143, reason="DeadlineExceeded")),
    "a runner that ended the agent in time": Ends(Reason.TIMED_OUT, ended_pod(124, says={"reason": "TimedOut"})),
    "a pod that was deleted for its time and says Terminated": Ends(
        Reason.TIMED_OUT,
        ended_pod(143, says={"reason": "Terminated"}),
        stored=working(condition(ConditionType.AGENT_RUNNING, "False", Reason.TIMED_OUT)),
    ),
    "a pod that somebody deletes": Ends(Reason.TERMINATED, ended_pod(143, says={"reason": "Terminated"})),
    "a pod that the node turned away": Ends(
        Reason.TERMINATED, pod(phase="Failed", reason="NodeAffinity", message="Pod was rejected")
    ),
    "a program that the image does not have": Ends(
        Reason.AGENT_START_FAILED, pod(PREPARED, ended("agent", 128, says="exec: python3", reason="StartError"))
    ),
    "a workspace that fails without a word": Ends(Reason.WORKSPACE_FAILED, prepared(1)),
    "a workspace that runs out of memory": Ends(Reason.OUT_OF_MEMORY, prepared(137, "OOMKilled")),
    "a repository that is not reached": Ends(
        Reason.REPOSITORY_UNREACHABLE,
        pod(ended("fetch", 21, says={"reason": "RepositoryUnreachable", "message": "no answer"}), phase="Pending"),
    ),
    "a genesis that denies": Ends(
        Reason.PERMISSION_DENIED,
        pod(ended("workspace", 20, says={"reason": "PermissionDenied", "message": "no"}), phase="Pending"),
        Phase.REFUSED,
    ),
    "a workspace that says what only a user can": Ends(
        Reason.WORKSPACE_FAILED, pod(ended("workspace", 20, says={"reason": "Cancelled"}), phase="Failed")
    ),
    "a cancellation that has ended the agent": Ends(
        Reason.CANCELLED, ended_pod(143), Phase.CANCELLED, spec={"cancel": True}
    ),
    "an agent that does not start in time": Ends(
        Reason.START_DEADLINE_EXCEEDED, pod(waiting("workspace"), phase="Pending"), at=WAITED
    ),
    "an image that does not come in time": Ends(
        Reason.IMAGE_NOT_AVAILABLE, pod(PREPARED, waiting("agent", "ImagePullBackOff", "no such image")), at=WAITED
    ),
    "a node that does not come in time": Ends(
        Reason.UNSCHEDULABLE, pod(phase="Pending", unschedulable="0/3 nodes are available"), at=WAITED
    ),
    "an agent that completes, when no output is wanted": Ends(
        Reason.COMPLETED, ended_pod(0), Phase.SUCCEEDED, spec={"output": "None"}
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_each_way_of_ending_has_its_reason(name: str) -> None:
    case = ENDINGS[name]
    plan = decide(doing(case.pod, case.stored, **case.spec), case.at)

    truth = "True" if case.phase == Phase.SUCCEEDED else "False"
    assert found(plan, ConditionType.SUCCEEDED) == (truth, case.reason)
    assert plan.status is not None
    assert plan.status.phase == case.phase
    assert plan.status.completion_time == case.at
    assert len(plan.events) == 1
    assert plan.events[0].message
    assert plan.go_on


@pytest.mark.parametrize("reason", sorted(AGENT_REASONS))
def test_each_reason_of_an_agent_is_passed_on_with_its_message(reason: Reason) -> None:
    plan = decide(doing(ended_pod(1, says={"reason": reason, "message": "what to do"})), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", reason)
    assert plan.events[0].message == "what to do"


@pytest.mark.parametrize("reason", sorted(WORKSPACE_REASONS))
def test_each_reason_of_the_workspace_is_passed_on(reason: Reason) -> None:
    plan = decide(doing(pod(ended("workspace", 20, says={"reason": reason, "message": "why"}), waiting("agent"))), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", reason)
    assert found(plan, ConditionType.WORKSPACE_READY) == ("False", reason)
    assert found(plan, ConditionType.AGENT_RUNNING) == ("False", Reason.AGENT_NOT_STARTED)


HELD_UP = {
    "an image that is not there": (waiting("agent", "ErrImagePull", "no such image"), Reason.IMAGE_NOT_AVAILABLE),
    "a Secret that is not there": (
        waiting("agent", "CreateContainerConfigError", 'secret "key" not found'),
        Reason.SECRET_NOT_FOUND,
    ),
    "a container that cannot be made": (waiting("agent", "CreateContainerError"), Reason.CONTAINER_NOT_STARTING),
}


@pytest.mark.parametrize("name", HELD_UP)
def test_what_holds_a_pod_up_is_told_at_once_and_once(name: str) -> None:
    container, reason = HELD_UP[name]
    seen = doing(pod(PREPARED, container, phase="Pending"))
    plan = decide(seen, NOW)

    assert found(plan, ConditionType.READY) == ("False", reason)
    assert found(plan, ConditionType.STALLED) == ("True", reason)
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", reason)]
    assert plan.status is not None
    again = decide(replace(seen, command=replace(seen.command, status=plan.status)), NOW)
    assert (again.status, again.events) == (None, ())


def test_a_pod_without_a_node_is_told_of_only_after_a_while() -> None:
    seen = doing(pod(phase="Pending", unschedulable="0/3 nodes are available"))

    assert found(decide(seen, NOW), ConditionType.READY) == ("False", Reason.PREPARING)
    later = decide(seen, NOW + timedelta(seconds=31))
    assert found(later, ConditionType.READY) == ("False", Reason.UNSCHEDULABLE)


def test_an_agent_that_works_is_told_of_with_its_base_commit_and_looked_at_when_its_time_is_up() -> None:
    plan = decide(doing(working_pod(), timeoutSeconds=600), NOW)

    assert plan.status is not None
    assert (plan.status.phase, plan.status.base_commit) == (Phase.RUNNING, COMMIT)
    assert plan.status.agent_start_time == NOW
    assert found(plan, ConditionType.WORKSPACE_READY) == ("True", Reason.WORKSPACE_READY)
    assert [e.reason for e in plan.events] == ["AgentStarted"]
    assert plan.look_again_after == timedelta(seconds=601) + LIMITS.overdue + LIMITS.drain


def test_an_agent_that_works_on_is_no_news() -> None:
    seen = doing(working_pod())
    plan = decide(seen, NOW)
    assert plan.status is not None
    again = decide(replace(seen, command=replace(seen.command, status=plan.status)), NOW + timedelta(seconds=60))

    assert (again.status, again.events) == (None, ())


def test_a_cancellation_is_written_down_before_the_pod_is_deleted() -> None:
    plan = decide(doing(working_pod(), working(RUNS), cancel=True), NOW)

    assert plan.actions == (DeletePod("fix-login-1-agent", "uid-of-fix-login-1-agent"),)
    assert plan.status_first
    assert found(plan, ConditionType.READY) == ("False", Reason.CANCELLING)
    assert found(plan, ConditionType.SUCCEEDED) is None


def test_a_pod_that_is_on_its_way_out_is_not_deleted_again() -> None:
    assert decide(doing(working_pod(is_being_deleted=True), cancel=True), NOW).actions == ()


def test_a_cancellation_after_the_agent_has_completed_comes_too_late() -> None:
    assert decide(doing(ended_pod(0), cancel=True), NOW).actions == (CreatePod("publish"),)


def test_an_agent_past_its_time_is_deleted_after_the_reason_was_written_down() -> None:
    late = NOW + timedelta(seconds=60) + LIMITS.overdue + LIMITS.drain + timedelta(seconds=1)
    plan = decide(doing(working_pod(), working(RUNS), timeoutSeconds=60), late)

    assert [type(a).__name__ for a in plan.actions] == ["DeletePod"]
    assert plan.status_first
    assert found(plan, ConditionType.AGENT_RUNNING) == ("False", Reason.TIMED_OUT)


def test_an_agent_past_its_time_that_does_not_go_is_written_down_once() -> None:
    late = NOW + timedelta(seconds=60) + LIMITS.overdue + LIMITS.drain + timedelta(seconds=1)
    seen = doing(working_pod(is_being_deleted=True), working(RUNS), timeoutSeconds=60)
    first = decide(seen, late)
    assert first.status is not None
    again = decide(replace(seen, command=replace(seen.command, status=first.status)), late + timedelta(seconds=10))

    assert (again.actions, again.status) == ((), None)


def test_an_agent_within_its_time_is_left_alone() -> None:
    edge = NOW + timedelta(seconds=60) + LIMITS.overdue + LIMITS.drain

    assert decide(doing(working_pod(), timeoutSeconds=60), edge).actions == ()


def test_what_the_agent_used_and_its_exit_code_are_kept() -> None:
    says = {"reason": "AgentFailed", "usage": {"inputTokens": 10, "outputTokens": 20, "costUSD": 0.25}}
    got = decide(doing(ended_pod(3, says=says)), NOW).status

    assert got is not None
    assert got.exit_code == 3
    assert got.usage is not None
    assert (got.usage.input_tokens, got.usage.output_tokens, got.usage.cost_usd) == (10, 20, "0.25")


def test_an_agent_cannot_say_how_long_its_log_is() -> None:
    got = decide(doing(ended_pod(1, says={"lines": 10**9, "lastSequence": 10**9})), NOW).status

    assert got is not None
    assert got.logs is None


def test_a_sidecar_that_fails_does_not_end_the_agent() -> None:
    plan = decide(doing(pod(PREPARED, running("agent"), ended("istio-proxy", 1))), NOW)

    assert found(plan, ConditionType.AGENT_RUNNING) == ("True", Reason.AGENT_STARTED)


def test_a_sidecar_that_runs_on_does_not_keep_the_agent_from_having_ended() -> None:
    plan = decide(doing(pod(PREPARED, ended("agent", 1), running("istio-proxy"))), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", Reason.AGENT_FAILED)
