"""Objects as the API server shows them → what the core sees of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.builders import OTHER_UID, UID

from bugcommand_operator.api.conditions import Phase
from bugcommand_operator.core.observed import Pod
from bugcommand_operator.core.reading import UnreadableCommand, command_from, pod_from, volume_from

AT = "2026-03-01T12:00:00Z"
MOMENT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
OWNER = {"apiVersion": "mentu.dev/v1alpha1", "kind": "BugCommand", "name": "x", "uid": UID, "controller": True}
LABELS = {"mentu.dev/command-uid": UID, "app.kubernetes.io/managed-by": "mentu-operator"}


def raw_pod(status: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "x-1-agent",
            "namespace": "team-a",
            "uid": "u",
            "creationTimestamp": AT,
            "labels": LABELS,
            "ownerReferences": [OWNER],
            **meta,
        },
        "spec": {},
        "status": status,
    }


def state(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": False, "restartCount": 0, "image": "i", "imageID": "", "state": state}


def ended(name: str, code: int, reason: str, message: str = "", started: str | None = AT) -> dict[str, Any]:
    how = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": AT, "message": message}
    return state(name, terminated={k: v for k, v in how.items() if v is not None})


def test_a_pod_that_was_just_made_is_pending_without_containers() -> None:
    pod = pod_from(raw_pod({}))

    assert (pod.phase, pod.containers, pod.created_at, pod.has_ended) == ("Pending", {}, MOMENT, False)


def test_a_pod_without_a_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes available"}

    assert pod_from(raw_pod({"phase": "Pending", "conditions": [condition]})).unschedulable == "0/1 nodes available"


@pytest.mark.parametrize(("gates", "why"), [([], ""), ([{"name": "queue.example.com/wait"}], "gated")])
def test_that_a_gate_has_held_a_pod_up_is_no_reason_once_it_is_open(gates: list[dict[str, str]], why: str) -> None:
    """The API server leaves the condition as it was, until the scheduler has looked at the pod."""
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}
    shown = raw_pod({"phase": "Pending", "conditions": [gated]})
    shown["spec"] = {**shown.get("spec", {}), "schedulingGates": gates}

    assert pod_from(shown).unschedulable == why


def test_init_containers_and_containers_are_read_alike() -> None:
    shown = {
        "phase": "Running",
        "initContainerStatuses": [ended("workspace", 0, "Completed", '{"baseCommit": "x"}')],
        "containerStatuses": [state("agent", running={"startedAt": AT})],
    }
    pod = pod_from(raw_pod(shown))

    assert pod.container("workspace").exit_code == 0
    assert pod.container("workspace").message == '{"baseCommit": "x"}'
    assert pod.container("agent").is_running
    assert pod.container("agent").started_at == MOMENT
    assert not pod.has_ended


def test_a_container_that_waits_says_for_what() -> None:
    waits = state("agent", waiting={"reason": "ErrImagePull", "message": "no such image"})
    agent = pod_from(raw_pod({"phase": "Pending", "containerStatuses": [waits]})).container("agent")

    assert (agent.waiting_reason, agent.message, agent.is_running, agent.has_ended) == (
        "ErrImagePull",
        "no such image",
        False,
        False,
    )


def test_a_container_without_a_state_waits() -> None:
    agent = pod_from(raw_pod({"containerStatuses": [{"name": "agent"}]})).container("agent")

    assert (agent.waiting_reason, agent.is_running, agent.has_ended) == ("", False, False)


def test_a_container_that_ran_out_of_memory_says_so() -> None:
    agent = pod_from(raw_pod({"phase": "Failed", "containerStatuses": [ended("agent", 137, "OOMKilled")]})).container(
        "agent"
    )

    assert (agent.exit_code, agent.reason, agent.finished_at) == (137, "OOMKilled", MOMENT)


def test_a_container_that_the_runtime_could_not_start_never_started() -> None:
    shown = {"containerStatuses": [ended("agent", 128, "StartError", "exec: no such file", "1970-01-01T00:00:00Z")]}
    agent = pod_from(raw_pod(shown)).container("agent")

    assert (agent.started_at, agent.exit_code) == (None, 128)


def test_an_evicted_pod_may_show_no_containers_at_all() -> None:
    pod = pod_from(raw_pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource"}))

    assert (pod.has_ended, pod.reason, pod.message) == (True, "Evicted", "The node was low on resource")
    assert pod.container("agent").exit_code is None


def test_a_failed_preparation_ends_a_pod_before_its_phase_says_so() -> None:
    shown = {
        "phase": "Pending",
        "initContainerStatuses": [ended("workspace", 20, "Error")],
        "containerStatuses": [state("agent", waiting={"reason": "PodInitializing"})],
    }
    assert pod_from(raw_pod(shown)).has_ended


def test_gates_are_read_with_those_of_others() -> None:
    raw = raw_pod({})
    raw["spec"] = {"schedulingGates": [{"name": "mentu.dev/volumes"}, {"name": "kueue.x-k8s.io/admission"}]}

    assert pod_from(raw).gates == ("mentu.dev/volumes", "kueue.x-k8s.io/admission")
    assert pod_from(raw).is_gated


OTHER = {**OWNER, "uid": "somebody-else"}


@pytest.mark.parametrize(
    ("name", "meta", "uid"),
    [
        ("x-1-agent", {}, UID),
        ("x-1-agent", {"ownerReferences": []}, None),
        ("x-1-agent", {"ownerReferences": [OTHER]}, None),
        ("x-1-agent", {"ownerReferences": [{**OWNER, "controller": False}]}, None),
        ("x-1-agent", {"ownerReferences": [OWNER, OTHER]}, None),
        ("x-1-agent", {"labels": {}}, None),
        ("x-1-agent", {"labels": {}, "ownerReferences": []}, None),
        ("x-1-rescue", {"ownerReferences": []}, UID),
        ("x-1-rescue", {"ownerReferences": [OTHER]}, None),
    ],
)
def test_a_pod_is_ours_by_label_and_owner_and_a_rescue_pod_by_label(
    name: str, meta: dict[str, Any], uid: str | None
) -> None:
    assert pod_from(raw_pod({}, name=name, **meta)).command_uid == uid


def test_a_volume_says_whose_it_is_and_whether_it_is_bound() -> None:
    meta = {"name": "x-worktree", "namespace": "team-a", "uid": "v", "labels": LABELS}
    new = volume_from({"metadata": meta, "spec": {"storageClassName": "fast"}})
    old = volume_from({"metadata": {**meta, "ownerReferences": [OWNER]}, "status": {"phase": "Bound"}})

    assert (new.command_uid, new.is_owned, new.is_bound, new.storage_class) == (UID, False, False, "fast")
    assert (old.is_owned, old.is_bound) == (True, True)
    assert volume_from({"metadata": {**meta, "labels": None}}).command_uid is None


def raw_command(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": "x", "namespace": "team-a", "uid": UID, "resourceVersion": "5", "creationTimestamp": AT},
        "spec": {"prompt": "p", "repository": {"name": "shop"}} if spec is None else spec,
        "status": status,
    }


def test_a_command_without_a_status_is_new() -> None:
    command = command_from(raw_command())

    assert (command.is_claimed, command.is_finished, command.attempt, command.finalizers) == (False, False, 0, ())
    assert command.created_at == MOMENT


def test_fields_that_this_version_does_not_know_are_left_out() -> None:
    command = command_from(raw_command({"prompt": "p", "repository": {"name": "shop"}, "new": 1}, {"alsoNew": {}}))

    assert command.spec.prompt == "p"


def test_a_changed_copy_of_what_was_read_leaves_all_else_as_it_was() -> None:
    """Which fields were given is noted for none of them, in one place that all share."""
    given: dict[str, Any] = {
        "attempts": [],
        "conditions": [],
        "attempt": 1,
        "claim": {"executor": "e", "machine": "m", "epoch": 1, "at": AT},
    }
    one, other = command_from(raw_command(None, given)), command_from(raw_command(None, given))
    copy = one.status.model_copy(update={"attempt": 2})

    assert copy.to_dict() == {**given, "attempt": 2}
    for command in (one, other):
        assert command.status.to_dict() == given
        assert command.status.model_fields_set == command.status.claim.model_fields_set == set()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("generation", "uid", "is_read_again"),
    [(3, UID, False), (4, UID, True), (3, OTHER_UID, True), (None, UID, True)],
    ids=["the same generation", "another generation", "another command of that name", "no generation at all"],
)
def test_a_spec_is_read_again_only_when_it_may_have_changed(
    generation: int | None, uid: str, is_read_again: bool
) -> None:
    def of(prompt: str, **meta: Any) -> dict[str, Any]:
        obj = raw_command({"prompt": prompt, "repository": {"name": "shop"}})
        obj["metadata"] |= meta
        return obj

    before = command_from(of("before", generation=generation and 3))
    after = command_from(of("after", generation=generation, uid=uid), before)

    assert after.spec.prompt == ("after" if is_read_again else "before")


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"prompt": "", "repository": {"name": "shop"}},
        {"prompt": "p", "repository": {"name": "../etc"}},
        {"prompt": "p", "repository": {"name": "shop"}, "timeoutSeconds": -1},
        {"prompt": "p", "repository": {"name": "shop"}, "timeoutSeconds": 10**12},
        {"prompt": "p", "repository": {"name": "shop"}, "commitmentId": "cmt_../../x"},
        {"prompt": "p", "repository": {"name": "shop"}, "output": "Everywhere"},
        {"prompt": 3, "repository": {"name": "shop"}},
    ],
)
def test_a_spec_that_is_not_one_is_named_and_not_guessed_at(spec: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCommand) as error:
        command_from(raw_command(spec))
    assert str(error.value)


CLAIM = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": AT}


@pytest.mark.parametrize(
    "status",
    [
        {"claim": {"executor": "bridge-0"}},
        {"conditions": [{"type": "Succeeded", "status": "Perhaps", "reason": "r", "lastTransitionTime": AT}]},
        {"claim": CLAIM, "exitCode": "seven"},
    ],
)
def test_a_status_that_does_not_read_is_never_taken_for_an_empty_one(status: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCommand):
        command_from(raw_command(status=status))


def test_a_phase_of_a_newer_version_changes_nothing() -> None:
    command = command_from(raw_command(status={"phase": "Teleporting", "claim": CLAIM}))

    assert command.is_claimed
    assert command.status.phase is None
    assert command_from(raw_command(status={"phase": "Running"})).status.phase == Phase.RUNNING


def test_a_pod_that_is_being_deleted_is_still_there() -> None:
    pod: Pod = pod_from(raw_pod({"phase": "Running"}, deletionTimestamp=AT))

    assert (pod.is_being_deleted, pod.is_active) == (True, True)
