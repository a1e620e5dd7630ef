"""What a container left behind, whatever that is: at most what it claims to be, never an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import COMMIT, container

from bugcommand_operator.api.conditions import AGENT_REASONS, REFUSALS, WORKSPACE_REASONS, Reason
from bugcommand_operator.core.termination import (
    AgentResult,
    ExportResult,
    PublishResult,
    WorkspaceResult,
    known_reason,
    result_of,
)

KINDS = (AgentResult, ExportResult, PublishResult, WorkspaceResult)


def left(text: str) -> Any:
    return container("agent", exit_code=1, message=text)


HOSTILE = {
    "nothing": "",
    "no JSON": "Segmentation fault",
    "a list": "[1, 2]",
    "a number": "12",
    "null": "null",
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "a huge integer": '{"lines": ' + "9" * 5_000 + "}",
    "an integer past its bound": '{"lines": 99999999999999999999}',
    "a negative count": '{"lines": -1, "leftUncommitted": -1}',
    "not a number": '{"lines": NaN, "leftUncommitted": NaN}',
    "infinity": '{"lines": Infinity, "leftUncommitted": Infinity}',
    "a float past all bounds": '{"lines": 1e999, "leftUncommitted": 1e999}',
    "half a pair": '{"reason": "\\ud800", "message": "\\udfff"}',
    "a message past its bound": json.dumps({"message": "x" * 5_000}),
    "a reason that is a list": '{"reason": ["AgentFailed"]}',
    "what was cut off": '{"reason": "AgentFailed", "mess',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_result_is_an_empty_one(name: str, kind: Any) -> None:
    result = result_of(left(HOSTILE[name]), kind)

    assert (result.reason, result.message) == ("", "")


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for kind in KINDS:
        result_of(left(text), kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["reason", "message", "usage", "lines", "baseCommit", "hasChanges", "diff", "headCommit", "leftUncommitted"]
)


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_object_is_read_without_an_error(content: dict[str, Any]) -> None:
    for kind in KINDS:
        result_of(left(json.dumps(content)), kind)


def test_a_message_steers_no_terminal_and_turns_no_text_round() -> None:
    said = {"message": "red \x1b[31m bell \x07 nul \x00 back \r c1 \x9b override \u202e end"}
    message = result_of(left(json.dumps(said)), AgentResult).message

    assert not set(message) & set("\x1b\x07\x00\r\x9b\u202e")
    assert message.startswith("red ")
    assert message.endswith(" end")


@pytest.mark.parametrize(
    ("cost", "kept"),
    [
        (0.25, "0.25"),
        ("1.50", "1.5"),
        (3, "3"),
        ("1e2", "100"),
        ("1e-999999999", "0"),
        ("1e-999999999999999999", "0"),
        ("0.0000004", "0"),
        ("-1", None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        ("1e9", None),
        ("lots", None),
        ([], None),
        (True, None),
    ],
)
def test_a_cost_is_a_short_decimal_or_absent(cost: Any, kept: str | None) -> None:
    usage = result_of(left(json.dumps({"usage": {"costUSD": cost}})), AgentResult).usage

    assert usage is not None
    assert usage.cost_usd == kept


def test_what_an_honest_export_says_is_read() -> None:
    said = {"baseCommit": COMMIT, "headCommit": "a" * 64, "hasChanges": True, "diff": {"files": 1}, "newField": {}}
    result = result_of(left(json.dumps(said)), ExportResult)

    assert (result.base_commit, result.head_commit, result.has_changes) == (COMMIT, "a" * 64, True)
    assert result.diff is not None
    assert result.diff.files == 1


@pytest.mark.parametrize("commit", ["main", "1" * 39, "1" * 41, "G" * 40, "1" * 40 + "\n", "-" * 40])
def test_only_a_full_commit_id_is_one(commit: str) -> None:
    assert result_of(left(json.dumps({"headCommit": commit, "hasChanges": True})), ExportResult).has_changes is None


def test_each_writer_has_its_own_reasons() -> None:
    assert known_reason("AgentFailed", AGENT_REASONS, Reason.RUNNER_FAILED) == Reason.AGENT_FAILED
    assert known_reason("PermissionDenied", AGENT_REASONS, Reason.AGENT_FAILED) == Reason.AGENT_FAILED
    assert known_reason("", WORKSPACE_REASONS, Reason.WORKSPACE_FAILED) == Reason.WORKSPACE_FAILED


def test_an_agent_can_neither_refuse_nor_cancel_nor_complete() -> None:
    assert not AGENT_REASONS & (REFUSALS | {Reason.CANCELLED, Reason.COMPLETED, Reason.NO_CHANGES, Reason.PUBLISHED})
    assert not WORKSPACE_REASONS & {Reason.CANCELLED, Reason.COMPLETED, Reason.NO_CHANGES, Reason.PUBLISHED}
