"""From an agent that has completed to a branch, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import (
    COMMIT,
    HEAD,
    LIMITS,
    NOW,
    OTHER_UID,
    PREPARED,
    condition,
    ended,
    ended_pod,
    exported,
    held_command,
    observed,
    pod,
    publish_pod,
    pushing_pod_that_succeeded,
    running,
    volume,
    waiting,
    working,
)

from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed, Pod
from bugcommand_operator.core.plan import CreatePod, DeletePod, OwnVolume, Plan

PUBLISHING = condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING, "Pod x pushes.")
USAGE = {"usage": {"inputTokens": 1, "outputTokens": 2}}
LATE = NOW + LIMITS.publish + timedelta(seconds=1)
EXPORTED = ended("export", says=exported())


def pushing(pod: Pod | None = None, *, stored: Any = None, **fields: Any) -> Observed:
    seen = observed(held_command(stored or working(PUBLISHING)), agent_pod=ended_pod(0, says=USAGE), publish_pod=pod)
    return replace(seen, **fields)


def found(plan: Plan, type_: ConditionType) -> tuple[str, str] | None:
    assert plan.status is not None
    return next(((c.status, c.reason) for c in plan.status.conditions if c.type == type_), None)


def ended_push(code: int, **says: Any) -> Pod:
    return publish_pod(EXPORTED, ended("publish", code, says=says), phase="Failed")


def test_a_completed_agent_is_followed_by_a_publish_pod_and_its_end_is_told() -> None:
    plan = decide(pushing(stored=working()), NOW)

    assert plan.actions == (CreatePod("publish"),)
    assert plan.status is not None
    assert (plan.status.phase, plan.status.exit_code) == (Phase.PUBLISHING, 0)
    assert plan.status.usage is not None
    assert plan.status.usage.output_tokens == 2
    assert found(plan, ConditionType.AGENT_RUNNING) == ("False", Reason.AGENT_ENDED)
    assert [e.reason for e in plan.events] == ["Publishing"]


def test_a_push_that_goes_on_is_no_news() -> None:
    seen = pushing(publish_pod(EXPORTED, running("publish")))
    first = decide(seen, NOW)
    assert first.status is not None
    again = decide(replace(seen, command=replace(seen.command, status=first.status)), NOW + timedelta(seconds=10))

    assert (again.actions, again.status, again.events) == ((), None, ())
    assert again.look_again_after is not None


def test_a_publish_pod_that_was_lost_is_made_again_without_the_agent_s_pod() -> None:
    assert decide(pushing(agent_pod=None), NOW).actions == (CreatePod("publish"),)


def test_a_push_that_succeeded_ends_the_command_with_branch_head_and_diff() -> None:
    done = pushing_pod_that_succeeded(diff={"files": 2, "insertions": 30, "deletions": 4})
    plan = decide(pushing(done, stored=working()), NOW)

    got = plan.status
    assert got is not None
    assert (got.phase, got.branch, got.base_commit, got.head_commit) == (
        Phase.SUCCEEDED,
        "bug/cmt_0b5c7c0e58c1",
        COMMIT,
        HEAD,
    )
    assert got.diff is not None
    assert (got.diff.files, got.diff.insertions, got.diff.deletions) == (2, 30, 4)
    assert got.exit_code == 0
    assert found(plan, ConditionType.PUBLISHED) == ("True", Reason.PUBLISHED)
    assert [e.reason for e in plan.events] == ["Succeeded"]


@pytest.mark.parametrize(
    ("more", "words"),
    [({"committedLeftovers": True}, "one commit was made"), ({"leftUncommitted": 3}, "3 changed files were left")],
)
def test_what_the_agent_left_uncommitted_is_said(more: dict[str, Any], words: str) -> None:
    assert words in decide(pushing(pushing_pod_that_succeeded(**more)), NOW).events[0].message


def test_an_agent_that_changed_nothing_has_failed() -> None:
    plan = decide(pushing(pushing_pod_that_succeeded(has_changes=False)), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", Reason.NO_CHANGES)
    assert found(plan, ConditionType.PUBLISHED) == ("False", Reason.NO_CHANGES)


@pytest.mark.parametrize(("has_changes", "succeeded"), [(True, "True"), (False, "False")])
def test_work_that_is_elsewhere_on_the_volume_keeps_it(has_changes: bool, succeeded: str) -> None:
    seen = pushing(pushing_pod_that_succeeded(has_changes=has_changes, otherWork=True), volume=volume())
    plan = decide(seen, NOW)

    assert (found(plan, ConditionType.SUCCEEDED) or ("", ""))[0] == succeeded
    assert found(plan, ConditionType.PUBLISHED) == (succeeded, Reason.PUBLISHED_IN_PART)
    assert "a stash" in plan.events[0].message
    assert plan.status is not None
    after = decide(replace(seen, command=replace(seen.command, status=plan.status)), NOW)
    assert not [action for action in after.actions if isinstance(action, OwnVolume)]


@pytest.mark.parametrize("says", ["", "no json", [], {"headCommit": "not a commit", "hasChanges": False}])
def test_an_export_that_does_not_say_what_it_found_is_not_taken_for_no_changes(says: Any) -> None:
    silent = publish_pod(ended("export", says=says), ended("publish"), phase="Succeeded")
    plan = decide(pushing(silent), NOW)

    assert found(plan, ConditionType.PUBLISHED) == ("False", Reason.PUBLISH_FAILED)
    assert found(plan, ConditionType.SUCCEEDED) == ("False", Reason.PUBLISH_FAILED)


@pytest.mark.parametrize(
    "lost",
    [
        ended_push(21, reason="RepositoryUnreachable", message="no answer"),
        publish_pod(EXPORTED, waiting("publish"), phase="Failed", reason="Evicted"),
    ],
)
def test_a_push_that_may_pass_is_tried_again_and_what_it_said_stays(lost: Pod) -> None:
    plan = decide(pushing(lost), NOW)

    assert plan.actions == (DeletePod(lost.name, lost.uid),)
    assert found(plan, ConditionType.SUCCEEDED) is None
    assert plan.status is not None
    told = next(c.message for c in plan.status.conditions if c.type == "Published")
    assert "tried again" in told
    after = pushing(None, stored=plan.status)
    later = decide(after, NOW)
    assert next(c.message for c in (later.status or plan.status).conditions if c.type == "Published") == told


@pytest.mark.parametrize(
    "why",
    [
        'Usage of EmptyDir volume "export" exceeds the limit "4Gi".',
        "Pod ephemeral local storage usage exceeds the total limit of containers 4Gi.",
        'Container export exceeded its local ephemeral storage limit "4Gi".',
    ],
)
def test_work_that_is_larger_than_may_be_taken_out_is_not_tried_again(why: str) -> None:
    over = publish_pod(running("export"), waiting("publish"), phase="Failed", reason="Evicted", message=why)
    plan = decide(pushing(over), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", Reason.EXPORT_TOO_LARGE)
    assert why in plan.events[0].message


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (ended_push(20, reason="PushRejected", message="protected"), Reason.PUSH_REJECTED),
        (ended_push(1), Reason.PUBLISH_FAILED),
        (ended_push(1, reason="Cancelled"), Reason.PUBLISH_FAILED),
        (
            publish_pod(
                ended("export", 20, says={"reason": "ScopeViolated", "message": "README.md"}), waiting("publish")
            ),
            Reason.SCOPE_VIOLATED,
        ),
    ],
)
def test_a_push_that_will_not_pass_ends_the_command(failed: Pod, reason: Reason) -> None:
    plan = decide(pushing(failed), NOW)

    assert found(plan, ConditionType.PUBLISHED) == ("False", reason)
    assert found(plan, ConditionType.SUCCEEDED) == ("False", reason)


LATE_CASES: dict[str, tuple[Observed, Reason]] = {
    "a push that may pass": (pushing(ended_push(21, reason="RepositoryUnreachable")), Reason.REPOSITORY_UNREACHABLE),
    "a push that hangs": (pushing(publish_pod(EXPORTED, running("publish"))), Reason.PUBLISH_FAILED),
    "a pod that is refused": (pushing(refused="over quota"), Reason.POD_REJECTED),
    "a Repository that is gone": (pushing(repository=None), Reason.REPOSITORY_NOT_FOUND),
    "a push that hangs when the agent's pod is gone": (
        pushing(publish_pod(EXPORTED, running("publish")), agent_pod=None),
        Reason.PUBLISH_FAILED,
    ),
}


@pytest.mark.parametrize("name", LATE_CASES)
def test_publishing_ends_at_its_deadline(name: str) -> None:
    seen, reason = LATE_CASES[name]

    assert found(decide(seen, LATE), ConditionType.SUCCEEDED) == ("False", reason)


@pytest.mark.parametrize("name", LATE_CASES)
def test_publishing_counts_no_time_in_which_the_api_server_was_away(name: str) -> None:
    seen, _ = LATE_CASES[name]
    plan = decide(replace(seen, reachable_since=LATE - timedelta(seconds=1)), LATE)

    assert plan.status is None or plan.status.completion_time is None


@pytest.mark.parametrize("tried", [None, publish_pod(EXPORTED, running("publish")), ended_push(21, reason="PodLost")])
def test_publishing_has_its_time_also_when_nobody_was_there_as_the_agent_ended(tried: Pod | None) -> None:
    began = condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING, at=LATE)
    plan = decide(pushing(tried, stored=working(began)), LATE + timedelta(seconds=10))
    assert plan.status is None or plan.status.completion_time is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"refused": "over quota"}, Reason.POD_REJECTED), ({"repository": None}, Reason.REPOSITORY_NOT_FOUND)],
)
def test_what_is_in_the_way_of_publishing_is_told_and_waited_for(fields: dict[str, Any], reason: Reason) -> None:
    plan = decide(pushing(**fields), NOW)

    assert plan.actions == ()
    assert found(plan, ConditionType.READY) == ("False", reason)
    assert found(plan, ConditionType.STALLED) == ("True", reason)
    assert plan.status is not None
    assert plan.status.phase == Phase.PUBLISHING
    assert plan.look_again_after is not None


def test_a_pod_of_somebody_else_in_the_publish_pod_s_place_ends_the_command() -> None:
    plan = decide(pushing(publish_pod(command_uid=OTHER_UID)), NOW)

    assert found(plan, ConditionType.SUCCEEDED) == ("False", Reason.NAME_TAKEN)


def test_a_sidecar_that_failed_does_not_undo_a_push() -> None:
    done = pushing_pod_that_succeeded()
    seen = pushing(replace(done, phase="Failed", containers={**done.containers, "proxy": ended("proxy", 1)}))

    assert found(decide(seen, NOW), ConditionType.SUCCEEDED) == ("True", Reason.COMPLETED)


def test_nothing_is_published_when_no_output_is_wanted() -> None:
    seen = observed(held_command(working(), output="None"), agent_pod=pod(PREPARED, ended("agent"), phase="Succeeded"))

    assert decide(seen, NOW).actions == ()
