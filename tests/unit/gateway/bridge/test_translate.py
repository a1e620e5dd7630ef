"""A row or a body becomes a BugCommand's manifest, the same each time, or a refusal that names the field."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.api.bugcommand import BugCommandSpec
from bugcommand_operator.api.names import MAX_COMMAND_NAME
from bugcommand_operator.gateway.bridge.paths import KnownRepository
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.request import command_id_of, parse_body, parse_row
from bugcommand_operator.gateway.bridge.translate import LABEL_BRIDGE, is_ours, translate
from bugcommand_operator.gateway.refusals import Malformed, Refusal

ID = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"
KNOWN = [KnownRepository("mentu-ai", ("/home/mentu/Workspaces/mentu-ai",))]
SEED = {
    "prompt": "Fix the authentication bug in src/auth.ts",
    "working_directory": "/home/mentu/Workspaces/mentu-ai",
    "agent": "claude",
    "with_worktree": True,
    "commitment_id": "cmt_12345678",
}


def manifest(**row: Any) -> dict[str, Any]:
    return translate(parse_row({"prompt": "Fix it.", **row}), ID, "team-a", KNOWN)


def spec(**row: Any) -> dict[str, Any]:
    found: dict[str, Any] = manifest(**row)["spec"]
    return found


def test_the_json_that_senders_know_becomes_a_bugcommand() -> None:
    command = parse_body(json.dumps(SEED).encode())
    made = translate(command, ID, "team-a", KNOWN)
    assert made["spec"] == {
        "prompt": "Fix the authentication bug in src/auth.ts",
        "repository": {"name": "mentu-ai"},
        "agent": "claude",
        "withWorktree": True,
        "commandId": ID,
        "commitmentId": "cmt_12345678",
    }
    meta = made["metadata"]
    assert (meta["name"], meta["namespace"], meta["labels"]) == (f"bridge-{ID}", "team-a", {LABEL_BRIDGE: ID})
    assert len(meta["name"]) <= MAX_COMMAND_NAME
    BugCommandSpec.model_validate(made["spec"])


def test_a_row_that_is_no_bug_needs_no_commitment_and_no_worktree() -> None:
    assert spec(with_worktree=False, commitment_id=None, working_directory=None, agent="", payload=None) == {
        "prompt": "Fix it.",
        "repository": {"name": "mentu-ai"},
        "withWorktree": False,
        "commandId": ID,
    }


def test_a_bug_s_payload_gives_what_the_columns_do_not() -> None:
    payload = {"memory_id": "mem_1", "commitment_id": "cmt_a", "timeout_seconds": 60, "more": {"deep": [1]}}
    made = manifest(payload=payload, timeout_seconds=3600)
    assert (made["spec"]["commitmentId"], made["spec"]["timeoutSeconds"]) == ("cmt_a", 60)
    assert made["metadata"]["annotations"] == {"mentu.dev/memory-id": "mem_1"}


def test_machine_timeout_and_headless_flags_are_carried_over() -> None:
    made = spec(target_machine_id="vps-mentu-01", timeout_seconds=7, flags=["--dangerously-skip-permissions", "-p"])
    assert (made["targetMachine"], made["timeoutSeconds"], made["agentMode"]) == ("vps-mentu-01", 7, "Headless")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no prompt": ({"prompt": None}, "prompt"),
    "an empty prompt": ({"prompt": " \n"}, "prompt"),
    "a prompt over 64 KiB in bytes": ({"prompt": "ä" * 40_000}, "prompt"),
    "a prompt with NUL": ({"prompt": "a\0b"}, "prompt"),
    "a prompt that steers a terminal": ({"prompt": "\x1b]52;c;eA==\x07"}, "prompt"),
    "half a surrogate pair": ({"prompt": "a\ud800"}, "prompt"),
    "a number as a prompt": ({"prompt": 5}, "prompt"),
    "a working directory with a line break": ({"working_directory": "a\nb"}, "working_directory"),
    "a working directory with half a pair": ({"working_directory": "\udfff"}, "working_directory"),
    "a huge working directory": ({"working_directory": "a/" * 5000}, "working_directory"),
    "a relative path that is too long": ({"working_directory": "a" * 1025}, "working_directory"),
    "an agent that is a path": ({"agent": "../../bin/sh"}, "agent"),
    "a timeout of -1": ({"timeout_seconds": -1}, "timeout_seconds"),
    "a timeout of 10^12": ({"timeout_seconds": 10**12}, "timeout_seconds"),
    "a timeout that is text": ({"timeout_seconds": "60"}, "timeout_seconds"),
    "a timeout in the payload": ({"payload": {"timeout_seconds": 0}}, "payload.timeout_seconds"),
    "a payload that is a list": ({"payload": [1]}, "payload"),
    "a payload in text": ({"payload": "{}"}, "payload"),
    "a commitment of another shape": ({"commitment_id": "cmt_A B"}, "commitment_id"),
    "two commitments": (
        {"commitment_id": "cmt_a", "payload": {"commitment_id": "cmt_b"}},
        "payload.commitment_id",
    ),
    "a truth that is text": ({"with_worktree": "yes"}, "with_worktree"),
    "a machine with a line break": ({"target_machine_id": "a\nb"}, "target_machine_id"),
    "a flag that gives settings": ({"flags": ["--settings=/tmp/x"]}, "flags"),
    "flags in text": ({"flags": "-p"}, "flags"),
    "a flag that is a number": ({"flags": [1]}, "flags.0"),
    "a repository that is a path": ({"repository": "../x"}, "repository"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_command_is_refused_by_the_name_of_its_field(what: str) -> None:
    row, field = REFUSED[what]
    with pytest.raises(Untranslatable) as refused:
        manifest(**row)
    assert refused.value.status == 422
    assert refused.value.field == field
    assert refused.value.message.startswith(field.partition(".")[0])
    json.dumps(refused.value.body()).encode()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"prompt": "\\ud800"}'])
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse_body(body)
    assert (refused.value.status, refused.value.reason) == (400, "InvalidJSON")


@pytest.mark.parametrize(
    "body", [b"[]", b'"text"', b"null", b"{}", b'{"prompt": NaN}', b'{"prompt": "x", "namespace": "A/b"}']
)
def test_json_that_is_no_command_is_refused(body: bytes) -> None:
    with pytest.raises(Untranslatable):
        parse_body(body)


def test_a_payload_is_kept_as_it_was_sent() -> None:
    command = parse_body(b'{"prompt": "x", "payload": {"memory_id": "mem_1", "extra": [1, {"a": null}]}}')
    assert command.payload_as_sent == {"memory_id": "mem_1", "extra": [1, {"a": None}]}
    assert command.memory == "mem_1"


@pytest.mark.parametrize("value", ["", "x", None, 5, ID + "0", "{" + ID])
def test_an_id_that_is_no_uuid_is_refused(value: object) -> None:
    with pytest.raises(Untranslatable, match="no UUID"):
        command_id_of(value)


def test_an_id_is_written_one_way_only() -> None:
    assert command_id_of(UUID(ID)) == command_id_of(ID.upper()) == ID


def test_an_object_is_ours_only_with_our_label_id_and_prompt() -> None:
    made = manifest()
    assert is_ours({**made, "status": {}}, made)
    assert is_ours({**made, "spec": {**made["spec"], "cancel": True}}, made)
    assert not is_ours({**made, "spec": {**made["spec"], "prompt": "Other."}}, made)
    assert not is_ours({**made, "metadata": {**made["metadata"], "labels": None}}, made)
    assert not is_ours({"metadata": {"name": made["metadata"]["name"]}}, made)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.sampled_from(["memory_id", "commitment_id", "timeout_seconds", "x"]), st.text(max_size=5)),
)
COLUMNS = ["prompt", "working_directory", "agent", "flags", "timeout_seconds", "target_machine_id", "with_worktree"]
COLUMNS += ["commitment_id", "payload", "repository", "approval_required", "status", "claimed_at"]


@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES))
def test_any_row_makes_a_valid_bugcommand_or_a_refusal(row: dict[str, Any]) -> None:
    try:
        made = translate(parse_row(row), ID, "team-a", KNOWN)
    except Refusal as refusal:
        assert refusal.field or refusal.reason == "InvalidJSON"
        return
    parsed = BugCommandSpec.model_validate(made["spec"])
    assert parsed.prompt == row["prompt"]
    json.dumps(made).encode()
    assert made == translate(parse_row(row), ID, "team-a", KNOWN)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_body_is_a_command_or_a_refusal(body: bytes) -> None:
    try:
        parse_body(body)
    except Refusal as refusal:
        assert refusal.status in {400, 422}
