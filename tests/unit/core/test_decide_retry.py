"""Which failures are tried again, when, how often; and one more attempt because a person asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    COMMIT,
    HEAD,
    LIMITS,
    ME,
    NAME,
    NOW,
    PREPARED,
    claimed,
    condition,
    ended,
    ended_pod,
    held_command,
    observed,
    pod,
    publish_pod,
    repository,
    running,
    status,
    volume,
    waiting,
    working,
    working_pod,
)

from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus, Retry, Usage
from bugcommand_operator.api.conditions import REFUSALS, ConditionType, Phase, Reason
from bugcommand_operator.api.names import agent_pod_name
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Load, Observed, Pod
from bugcommand_operator.core.plan import DeletePod, HoldFinalizer, Plan, Prepare
from bugcommand_operator.core.policies.retry import LONGEST_BACK_OFF, WORTH_RETRYING, back_off

LATER = NOW + timedelta(minutes=10)
OWN_LIMIT = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi."


def says(reason: str, **more: Any) -> Pod:
    return ended_pod(69, says={"reason": reason, "message": "no", **more})


def unprepared(reason: str) -> Pod:
    return pod(ended("workspace", 21, says={"reason": reason}), waiting("agent"), phase="Pending")


def retried(plan: Plan) -> bool:
    assert plan.status is not None
    return plan.status.claim is None and plan.status.phase == Phase.PENDING


@dataclass(frozen=True)
class Case:
    pod: Pod | None
    again: bool
    stored: BugCommandStatus = field(default_factory=working)
    spec: dict[str, Any] = field(default_factory=lambda: {"retry": {"limit": 2}})


FAILURES = {
    "a model that limits the rate": Case(says("ModelRateLimited"), True),
    "a model that is overloaded": Case(says("ModelOverloaded"), True),
    "a model that is away": Case(says("ModelUnavailable"), True),
    "a model that does not exist": Case(says("ModelUnavailable", lasting=True), False),
    "a key that is refused": Case(says("ModelAuthenticationFailed"), False),
    "credit that is used up": Case(says("ModelCreditExhausted"), False),
    "an agent that fails": Case(ended_pod(1), False),
    "an agent that had its time": Case(says("TimedOut"), False),
    "a pod that was ended from outside": Case(says("Terminated"), True),
    "a pod that is lost": Case(None, True),
    "a pod that a node evicted": Case(
        pod(PREPARED, running("agent"), phase="Failed", reason="Evicted", message="low on memory"), True
    ),
    "a pod that was evicted for what it wrote": Case(
        pod(PREPARED, running("agent"), phase="Failed", reason="Evicted", message=OWN_LIMIT), False
    ),
    "an agent without memory": Case(pod(PREPARED, ended("agent", 137, reason="OOMKilled"), phase="Failed"), False),
    "a remote that did not answer": Case(unprepared("RepositoryUnreachable"), True),
    "a credential for git that is refused": Case(unprepared("AuthenticationFailed"), False),
    "a rule that says no": Case(unprepared("PermissionDenied"), False),
    "nobody asked for retries": Case(says("ModelOverloaded"), False, spec={}),
    "all retries are used": Case(says("ModelOverloaded"), False, working(retries=2)),
    "one retry is left": Case(says("ModelOverloaded"), True, working(retries=1)),
    "somebody cancels meanwhile": Case(says("ModelOverloaded"), False, spec={"cancel": True, "retry": {"limit": 2}}),
    "a claim that somebody wrote without its attempt": Case(
        says("ModelOverloaded"), False, working().model_copy(update={"attempt": None})
    ),
    "a plain checkout": Case(says("ModelOverloaded"), False, spec={"withWorktree": False, "retry": {"limit": 2}}),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_tried_again(name: str) -> None:
    case = FAILURES[name]
    plan = decide(observed(held_command(case.stored, **case.spec), agent_pod=case.pod), NOW)
    assert retried(plan) == case.again


def test_no_refusal_is_worth_another_attempt() -> None:
    assert not REFUSALS & WORTH_RETRYING.keys()


@pytest.mark.parametrize(
    ("retries", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (10, 300), (9999, 300)]
)
def test_the_back_off_doubles_up_to_five_minutes(retries: int, seconds: int) -> None:
    assert back_off(retries) == timedelta(seconds=seconds) <= LONGEST_BACK_OFF


def overloaded() -> Observed:
    stored = working(condition(ConditionType.AGENT_RUNNING, "True", Reason.AGENT_STARTED), start_time=NOW)
    failed = says("ModelOverloaded", unshipped=0, checkpoint=COMMIT, usage={"inputTokens": 7, "outputTokens": 2})
    return observed(held_command(stored, retry={"limit": 1}), agent_pod=failed, volume=volume())


def test_between_attempts_the_place_is_free_and_all_is_told() -> None:
    written = decide(overloaded(), NOW).status
    assert written is not None
    assert (written.claim, written.last_epoch, written.attempt, written.retries) == (None, 1, 1, 1)
    assert written.next_attempt_time == NOW + timedelta(seconds=10)
    [told] = written.attempts
    assert (told.attempt, told.reason, told.exit_code, told.pod_name) == (1, "ModelOverloaded", 69, f"{NAME}-1-agent")
    assert (told.head_commit, told.rescue_ref) == (COMMIT, f"refs/mentu/rescue/{written.commitment_id}/1")
    ready = {c.type: c for c in written.conditions}[ConditionType.READY]
    assert (ready.reason, written.phase) == (Reason.RETRY_BACK_OFF, Phase.PENDING)
    assert "ModelOverloaded" in ready.message
    assert "2026-03-01T12:00:10Z" in ready.message


def between(seen: Observed | None = None, **fields: Any) -> Observed:
    first = seen or overloaded()
    stored = decide(first, NOW).status
    assert stored is not None
    return replace(first, command=replace(first.command, status=stored), **fields)


def test_before_its_time_nothing_is_written_and_it_is_looked_at_when_it_comes() -> None:
    plan = decide(between(), NOW + timedelta(seconds=4))
    assert (plan.status, plan.actions, plan.look_again_after) == (None, (), timedelta(seconds=6))


def test_at_its_time_the_next_attempt_is_a_claim_like_any_other() -> None:
    plan = decide(between(), NOW + timedelta(seconds=10))
    assert plan.status is not None
    assert plan.status.claim is not None
    assert (plan.status.attempt, plan.status.claim.epoch, plan.status.claim.executor) == (2, 2, ME.executor)
    kept = ("pod_name", "agent_start_time", "exit_code", "next_attempt_time", "completion_time", "logs")
    assert [getattr(plan.status, field) for field in kept] == [None] * len(kept)
    types = {c.type for c in plan.status.conditions}
    assert not types & {ConditionType.AGENT_RUNNING, ConditionType.WORKSPACE_READY, ConditionType.LOGS_STORED}
    assert plan.status.earlier_usage == Usage(input_tokens=7, output_tokens=2)


def test_a_later_attempt_is_claimed_only_once_the_finalizer_holds() -> None:
    """Put on after the claim it would move the claim behind others that were made in between."""
    seen = between()
    bare = replace(seen, volume=None, command=replace(seen.command, finalizers=()))
    plan = decide(bare, NOW + timedelta(seconds=10))
    assert (plan.actions, plan.status_first) == ((HoldFinalizer(),), False)
    assert plan.status is not None
    assert plan.status.claim is not None


def test_a_later_attempt_waits_for_room_like_any_other() -> None:
    plan = decide(between(load=Load(executor=LIMITS.executor)), LATER)
    assert plan.status is not None
    assert plan.status.claim is None
    assert plan.status.attempt == 1


@pytest.mark.parametrize("left", [working_pod(), working_pod(is_being_deleted=True)])
def test_no_attempt_begins_while_a_pod_of_the_last_one_lives(left: Pod) -> None:
    plan = decide(between(agent_pod=left), LATER)
    assert plan.status is None
    assert plan.actions == (() if left.is_being_deleted else (DeletePod(left.name, left.uid),))


def test_a_pod_of_an_earlier_attempt_that_comes_late_is_ended_beside_a_running_one() -> None:
    second = working(attempt=2)
    stray = working_pod()
    ours = working_pod(name=agent_pod_name(NAME, 2))
    plan = decide(observed(held_command(second), agent_pod=ours, stray_pods=(stray,)), NOW)
    assert plan.actions == (DeletePod(stray.name, stray.uid),)


def test_what_an_attempt_has_used_is_added_to_what_the_earlier_ones_have() -> None:
    stored = working(attempt=2, earlier_usage=Usage(input_tokens=100, output_tokens=10, cost_usd="1.25"))
    done = ended_pod(1, says={"usage": {"inputTokens": 5, "outputTokens": 1, "costUSD": 0.5}})
    for _ in range(2):  # a pass that is repeated adds nothing
        written = decide(observed(held_command(stored), agent_pod=done), NOW).status
        assert written is not None
        assert written.usage == Usage(input_tokens=105, output_tokens=11, cost_usd="1.75")
        stored = stored.model_copy(update={"usage": written.usage})


def test_a_volume_of_an_earlier_attempt_is_made_ready_before_the_gate_opens() -> None:
    gated = pod(phase="Pending", gates=("mentu.dev/volumes",), name=agent_pod_name(NAME, 2))
    seen = observed(held_command(working(attempt=2)), agent_pod=gated, mirror=volume(name="m", command_uid=None))
    assert decide(replace(seen, volume=volume(attempt=1, is_owned=True)), NOW).actions == (Prepare(),)
    assert decide(replace(seen, volume=volume(attempt=2)), NOW).actions != (Prepare(),)


def finished(reason: str = "AgentFailed", *, succeeded: str = "False", **fields: Any) -> BugCommandStatus:
    end = condition(ConditionType.SUCCEEDED, succeeded, reason)
    told = Attempt(attempt=1, reason=reason, completion_time=NOW)
    return working(end, completion_time=NOW, attempts=[told], **fields)


ASKED: dict[str, tuple[BugCommandStatus, dict[str, Any], bool]] = {
    "after a failure": (finished(), {"retry": {"afterAttempt": 1}}, True),
    "after a success": (finished("Completed", succeeded="True"), {"retry": {"afterAttempt": 1}}, True),
    "after a cancellation that was taken back": (finished("Cancelled"), {"retry": {"afterAttempt": 1}}, True),
    "after a cancellation that stands": (finished("Cancelled"), {"retry": {"afterAttempt": 1}, "cancel": True}, False),
    "after another attempt": (finished(), {"retry": {"afterAttempt": 2}}, False),
    "after a refusal": (finished("PermissionDenied"), {"retry": {"afterAttempt": 1}}, False),
    "of a plain checkout": (finished(), {"retry": {"afterAttempt": 1}, "withWorktree": False}, False),
    "nobody asks": (finished(), {"retry": {"limit": 3}}, False),
}


@pytest.mark.parametrize("name", ASKED)
def test_one_more_attempt_on_request(name: str) -> None:
    stored, spec, expected = ASKED[name]
    plan = decide(observed(held_command(stored, **spec)), NOW)
    assert (plan.status is not None and plan.status.claim is None) == expected
    if expected:
        assert plan.status is not None
        assert (plan.status.phase, plan.status.attempt, plan.status.completion_time) == (Phase.PENDING, 1, None)
        assert [each.attempt for each in plan.status.attempts] == [1]


def test_a_request_waits_until_nothing_of_the_last_attempt_goes_on() -> None:
    pushes = publish_pod(running("export"))
    seen = observed(held_command(finished(), retry={"afterAttempt": 1}), publish_pod=pushes)
    assert decide(seen, NOW).actions == (DeletePod(pushes.name, pushes.uid),)
    assert decide(seen, NOW).status is None


def test_a_request_does_not_wait_for_the_back_off() -> None:
    seen = between()
    asked = seen.command.spec.model_copy(update={"retry": Retry(limit=1, after_attempt=1)})
    plan = decide(replace(seen, command=replace(seen.command, spec=asked)), NOW)
    assert plan.status is not None
    assert plan.status.attempt == 2


def test_an_attempt_begins_after_the_end_of_the_last_one_whatever_the_clocks_say() -> None:
    """Its row in `bridge_commands` is opened again by an attempt that began after the end that the row tells of."""
    slow = NOW - timedelta(seconds=30)
    ended_at = NOW + timedelta(microseconds=500)
    first = Attempt(attempt=1, reason="Completed", completion_time=ended_at)
    stored = finished("Completed", succeeded="True").model_copy(update={"attempts": [first]})
    seen = observed(held_command(stored, retry={"afterAttempt": 1}))
    released = decide(seen, slow).status
    assert released is not None
    plan = decide(replace(seen, command=replace(seen.command, status=released)), slow)
    assert plan.status is not None
    assert plan.status.start_time is not None
    assert (plan.status.attempt, plan.status.start_time > ended_at) == (2, True)


def test_a_command_that_has_begun_waits_for_its_commitment_and_is_not_refused() -> None:
    plan = decide(between(load=Load(commitment_taken_by="other")), LATER)
    assert plan.status is not None
    assert (plan.status.phase, plan.status.queue_position) == (Phase.PENDING, 1)


def test_a_cancellation_between_attempts_ends_it_in_one_executor_s_hands() -> None:
    seen = between()
    cancelled = seen.command.spec.model_copy(update={"cancel": True})
    written = decide(replace(seen, command=replace(seen.command, spec=cancelled)), NOW).status
    assert written is not None
    assert written.claim is not None
    assert (written.phase, written.claim.executor, written.claim.epoch, written.attempt) == (
        "Cancelled",
        "bridge-0",
        2,
        1,
    )
    assert [each.reason for each in written.attempts] == ["ModelOverloaded"]


def test_a_deletion_between_attempts_is_seen_to_by_one_executor() -> None:
    seen = between()
    plan = decide(replace(seen, command=replace(seen.command, deleted_at=NOW)), NOW)
    assert plan.status is not None
    assert plan.status.claim is not None
    assert (plan.actions, plan.status.attempt, plan.go_on) == ((), 1, True)


def test_a_claim_too_many_of_a_later_attempt_is_given_back() -> None:
    second = claimed(attempt=2, at=NOW - timedelta(seconds=1), agent="claude")
    limited = repository(concurrency={"limit": 1})
    plan = decide(observed(held_command(second), repository=limited, load=Load(repository=1)), NOW)
    assert plan.status is not None
    assert (plan.status.claim, plan.status.attempt, plan.status.agent) == (None, 1, "claude")
    assert plan.status.volume_name is not None


def test_the_last_attempts_are_told_and_the_oldest_go() -> None:
    told = [Attempt(attempt=n, reason="PodLost", completion_time=NOW) for n in range(1, 17)]
    written = decide(observed(held_command(working(attempt=17, attempts=told)), agent_pod=ended_pod(1)), NOW).status
    assert written is not None
    assert [each.attempt for each in written.attempts] == list(range(2, 18))


def test_what_was_pushed_is_told_of_the_attempt_that_has_pushed_it() -> None:
    pushed = condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING)
    done = publish_pod(
        ended("export", says={"baseCommit": COMMIT, "headCommit": HEAD, "hasChanges": True}),
        ended("publish", says={"headCommit": HEAD, "pushed": True}),
        phase="Succeeded",
    )
    seen = observed(held_command(working(pushed)), agent_pod=ended_pod(0), publish_pod=done)
    written = decide(seen, NOW).status
    assert written is not None
    assert [(each.reason, each.head_commit, each.rescue_ref) for each in written.attempts] == [
        ("Completed", HEAD, None)
    ]


def test_a_command_that_was_never_claimed_has_no_attempt_to_tell_of() -> None:
    written = decide(observed(held_command(status(), cancel=True)), NOW).status
    assert written is not None
    assert (written.phase, written.attempts, written.claim) == (Phase.CANCELLED, [], None)


def test_an_executor_that_may_not_claim_leaves_a_deletion_between_attempts_to_others() -> None:
    seen = between()
    gone = replace(seen.command, deleted_at=NOW)
    plan = decide(replace(seen, command=gone, executors=replace(seen.executors, may_claim=False)), NOW)
    assert (plan.status, plan.actions) == (None, ())
