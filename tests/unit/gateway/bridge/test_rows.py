"""What is done about a row, by its columns alone; and what a BugCommand's status says in the words of a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.api.conditions import FINISHED_PHASES, Phase
from bugcommand_operator.gateway.bridge.rows import Step, Territory, derived_workspace
from bugcommand_operator.gateway.bridge.states import FINAL, MAX_ERROR_BYTES, gone, state_of
from bugcommand_operator.gateway.bridge.wiring import territory_of

OURS = "0f0e0d0c-0000-4000-8000-000000000001"
LAB = Territory("lab", {OURS: "team-a"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def step(**row: Any) -> Step:
    return LAB.step({"workspace_id": OURS, "status": "pending", **row})


CLAIMED = {"status": "claimed", "claimed_by_machine_id": "lab"}
MADE = {**CLAIMED, "bugcommand": "bridge-1"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, Step.CLAIM),
        ({"target_machine_id": ""}, Step.CLAIM),
        ({"target_machine_id": "lab"}, Step.CLAIM),
        ({"target_machine_id": "other"}, Step.NOTHING),
        ({"workspace_id": None}, Step.NOTHING),
        ({"workspace_id": OURS.replace("1", "2")}, Step.NOTHING),
        ({"approval_required": True}, Step.CLAIM),
        ({"approval_required": True, "approval_status": "pending"}, Step.CLAIM),
        ({"approval_required": True, "approval_status": "approved"}, Step.CLAIM),
        ({"approval_required": True, "approval_status": "rejected"}, Step.REJECT),
        ({"approval_required": True, "approval_status": "rejected", "target_machine_id": "other"}, Step.NOTHING),
        ({"status": "cancelled"}, Step.NOTHING),
        ({**CLAIMED, "status": "cancelled"}, Step.CANCEL),
        ({**CLAIMED, "status": "cancelled", "completed_at": NOW}, Step.NOTHING),
        (CLAIMED, Step.CREATE),
        ({**CLAIMED, "claimed_by_machine_id": "other"}, Step.NOTHING),
        ({**CLAIMED, "claimed_by_machine_id": None}, Step.NOTHING),
        ({**CLAIMED, "approval_required": True}, Step.CREATE),
        ({**CLAIMED, "approval_status": "rejected"}, Step.REJECT),
        (MADE, Step.NOTHING),
        ({**MADE, "approval_status": "approved"}, Step.NOTHING),
        ({**MADE, "approval_status": "approved", "error": "AwaitingApproval: of somebody"}, Step.APPROVE),
        ({**MADE, "approval_status": "pending", "error": "AwaitingApproval: of somebody"}, Step.NOTHING),
        ({**MADE, "approval_status": "approved", "error": "AwaitingApproval", "status": "running"}, Step.NOTHING),
        ({**MADE, "approval_status": "rejected", "error": "AwaitingApproval: of somebody"}, Step.CANCEL),
        ({**MADE, "status": "running", "approval_status": "rejected"}, Step.CANCEL),
        ({**MADE, "status": "cancelled"}, Step.CANCEL),
        ({**MADE, "status": "cancelled", "completed_at": NOW}, Step.NOTHING),
        ({**MADE, "status": "cancelled", "claimed_by_machine_id": "other"}, Step.NOTHING),
        ({**MADE, "status": "completed", "approval_status": "rejected"}, Step.NOTHING),
        ({"status": "failed"}, Step.NOTHING),
        ({"status": "something new"}, Step.NOTHING),
    ],
)
def test_what_is_done_about_a_row(row: dict[str, Any], expected: Step) -> None:
    assert step(**row) is expected


def test_a_row_s_namespace_follows_from_its_workspace_alone() -> None:
    assert LAB.namespace_of({"workspace_id": OURS.upper(), "namespace": "kube-system"}) == "team-a"
    assert LAB.namespace_of({"workspace_id": None, "namespace": "kube-system"}) is None
    assert LAB.namespace_of({"workspace_id": derived_workspace("team-b"), "namespace": "kube-system"}) is None
    assert LAB.namespace_of({"workspace_id": derived_workspace("team-b"), "namespace": "team-b"}) == "team-b"


def test_a_default_namespace_takes_the_rows_of_all_other_workspaces() -> None:
    territory = Territory("lab", {OURS: "team-a"}, "commands")
    assert territory.namespace_of({"workspace_id": None}) == "commands"
    assert territory.namespace_of({"workspace_id": "elsewhere", "namespace": "kube-system"}) == "commands"
    assert territory.namespace_of({"workspace_id": OURS}) == "team-a"


def test_no_command_comes_to_a_namespace_that_is_not_allowed() -> None:
    territory = Territory("lab", {OURS: "team-a"}, "commands", frozenset({"commands"}))
    assert territory.namespace_of({"workspace_id": OURS}) is None
    assert territory.step({"workspace_id": OURS, "status": "pending"}) is Step.NOTHING
    assert territory.namespace_of({}) == "commands"


@pytest.mark.parametrize("namespace", ["team-a", "team-b", "commands"])
@pytest.mark.parametrize("default", ["", "commands"])
def test_a_row_that_a_gateway_inserts_comes_to_the_namespace_that_it_was_meant_for(
    namespace: str, default: str
) -> None:
    territory = Territory("lab", {OURS: "team-a"}, default)
    row = {"workspace_id": territory.workspace_for(namespace), "namespace": namespace}
    assert territory.namespace_of(row) == namespace


def test_of_several_workspaces_the_sender_s_own_is_taken() -> None:
    territory = Territory("lab", {"a": "team", "b": "team", "c": "other"})
    assert [territory.workspace_for("team", wished) for wished in ("b", "c", None)] == ["b", "a", "a"]


def test_the_setting_is_a_list_of_namespaces_or_an_object_of_workspaces() -> None:
    assert territory_of("m", ["a"], {}, "") == Territory("m", {}, "", frozenset({"a"}))
    assert territory_of("m", {"W": "a"}, {"v": "b"}, "d") == Territory("m", {"w": "a", "v": "b"}, "d")


SPACES = st.sampled_from(["", "a", "b", "kube-system"])
TERRITORIES = st.builds(
    Territory,
    st.just("lab"),
    st.dictionaries(st.sampled_from(["w1", "w2"]), SPACES.filter(bool)),
    SPACES,
    st.frozensets(SPACES.filter(bool), max_size=2),
)


@given(TERRITORIES, st.sampled_from([None, "w1", "w2", "w3"]), st.sampled_from([None, "a", "b"]))
def test_a_row_that_is_claimed_unseen_is_one_that_would_have_been_claimed_seen_and_for_the_same_namespace(
    territory: Territory, workspace: str | None, named: str | None
) -> None:
    row = {"workspace_id": workspace, "namespace": named, "status": "pending"}
    known, elsewhere = territory.sure_workspaces().get(workspace or ""), territory.namespace_of_all_others()
    if known and named in (None, known):
        assert (territory.step(row), territory.namespace_of(row)) == (Step.CLAIM, known)
    elif elsewhere and (named is None or (workspace is None and named == elsewhere)):
        assert territory.step(row) is Step.CLAIM
        assert named is None or territory.namespace_of(row) == elsewhere


def bug(phase: str = "", truth: str | None = None, **status: Any) -> dict[str, Any]:
    reason = {"reason": "Because", "message": "of this"}
    conditions = [{"type": "Succeeded", "status": truth, **reason}] if truth else None
    return {"metadata": {"name": "b"}, "status": {"phase": phase, "conditions": conditions, **status}}


@pytest.mark.parametrize(
    ("obj", "status"),
    [
        ({}, "claimed"),
        ({"status": None}, "claimed"),
        (bug("Pending"), "claimed"),
        (bug("Preparing"), "claimed"),
        (bug("Running"), "running"),
        (bug("Publishing"), "running"),
        (bug("Preparing", agentStartTime="2026-01-01T00:00:00Z"), "running"),
        (bug("Running", "Unknown"), "running"),
        (bug("Succeeded", "True"), "completed"),
        (bug("Failed", "False"), "failed"),
        (bug("Cancelled", "False"), "failed"),
        (bug("Refused", "False"), "failed"),
    ],
)
def test_a_phase_has_a_word_in_the_table(obj: dict[str, Any], status: str) -> None:
    assert state_of(obj).status == status


def test_every_phase_that_ends_a_command_ends_its_row() -> None:
    for phase in Phase:
        truth = {True: "True" if phase is Phase.SUCCEEDED else "False", False: None}[phase in FINISHED_PHASES]
        assert (state_of(bug(phase, truth)).status in FINAL) is (phase in FINISHED_PHASES)


def test_the_end_carries_its_time_exit_code_and_reason() -> None:
    state = state_of(bug("Failed", "False", exitCode=3, completionTime="2026-01-01T00:00:00Z"))
    assert (state.completed_at, state.exit_code, state.error) == (NOW, 3, "Because: of this")
    assert state_of(bug("Succeeded", "True")).exit_code == 0
    assert state_of(bug("Failed", "False")).exit_code is None


@pytest.mark.parametrize("reason", ["Suspended", "RetryBackOff"])
def test_what_is_between_two_attempts_says_why(reason: str) -> None:
    obj = bug("Parked", attempt=1, agentStartTime="2026-01-01T00:00:00Z")
    obj["status"]["conditions"] = [{"type": "Ready", "reason": reason, "message": "for now"}]
    assert (state_of(obj).status, state_of(obj).error) == ("running", f"{reason}: for now")
    assert state_of({"status": {**obj["status"], "claim": {"machine": "m"}}}).error is None
    never = {"status": {**obj["status"], "attempt": None, "agentStartTime": None}}
    assert (state_of(never).status, state_of(never).error) == ("claimed", None)


def test_only_an_attempt_after_the_first_opens_a_row_again() -> None:
    begun = {"startTime": "2026-01-01T00:00:00Z"}
    assert state_of(bug("Claimed", "Unknown", attempt=1, **begun)).again_at is None
    assert state_of(bug("Claimed", "Unknown", attempt=2, **begun)).again_at == NOW
    assert state_of(bug("Failed", "False", attempt=2, **begun)).again_at == NOW


def test_what_waits_for_approval_says_so_until_it_is_decided() -> None:
    obj = bug("AwaitingApproval")
    obj["status"]["conditions"] = [{"type": "Ready", "reason": "AwaitingApproval", "message": "of somebody"}]
    assert (state_of(obj).error, state_of(obj).approval) == ("AwaitingApproval: of somebody", None)
    obj["status"] |= {"claim": {"machine": "m"}, "approval": {"decision": "Approved"}}
    assert (state_of(obj).status, state_of(obj).error, state_of(obj).approval) == ("claimed", None, "approved")
    rejected = bug("Refused", "False", approval={"decision": "Rejected"})
    assert (state_of(rejected).status, state_of(rejected).approval) == ("failed", "rejected")


def test_an_error_fits_and_can_be_stored() -> None:
    obj = bug("Failed", "False")
    obj["status"]["conditions"][0]["message"] = "a\0\x1b[2J" + "ä" * 10_000
    error = state_of(obj).error or ""
    assert len(error.encode()) <= MAX_ERROR_BYTES + 10
    assert "\0" not in error
    assert "\x1b" not in error


def test_a_bugcommand_that_goes_before_its_end_leaves_a_failed_row() -> None:
    state = gone(bug("Running", agentStartTime="2026-01-01T00:00:00Z"), NOW)
    assert (state.status, state.completed_at, state.started_at) == ("failed", NOW, NOW)
    assert gone(bug("Succeeded", "True"), NOW).status == "completed"
    assert gone(None, NOW).error == "Deleted: the BugCommand was deleted before it had ended"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.dictionaries(st.sampled_from(["type", "status", "reason", "message"]), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["exitCode", "agentStartTime", "completionTime"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_value_of_a_status_stops_the_bridge(status: dict[str, Any]) -> None:
    state = state_of(bug("Failed", "False", **status))
    assert state.status == "failed"
    assert state.exit_code is None or abs(state.exit_code) < 1 << 31
