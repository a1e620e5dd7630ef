"""What the models take and refuse, and how they are written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.builders import agent, repository, spec

from bugcommand_operator.api import names
from bugcommand_operator.api.bugcommand import BugCommandSpec, BugCommandStatus


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "x" * 65_537},
        {"repository": {"name": ""}},
        {"repository": {"name": "Upper"}},
        {"repository": {"name": "../other"}},
        {"repository": {"name": "a/b"}},
        {"agent": "a b"},
        {"commandId": "not-a-uuid"},
        {"commandId": "0B5C7C0E-58C1-4D0B-9A83-0C7A3A1F0A01"},
        {"commitmentId": "cmt_"},
        {"commitmentId": "cmt_" + "a" * 60},
        {"commitmentId": "cmt_A"},
        {"commitmentId": "cmt_a\n"},
        {"timeoutSeconds": 0},
        {"timeoutSeconds": 604_801},
        {"priority": 1001},
        {"agentMode": "terminal"},
        {"context": {"scope": {"maxFileChanges": 0}}},
        {"context": {"likelyFiles": ["x"] * 51}},
        {"podTemplate": {"labels": {"a": "x" * 64}}},
    ],
)
def test_a_spec_out_of_its_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**fields)


@pytest.mark.parametrize("field", ["hostPath", "serviceAccountName", "securityContext", "volumes", "containers"])
def test_a_pod_template_has_no_security_settings(field: str) -> None:
    template = spec(podTemplate={field: "x"}).pod_template

    assert template is not None
    assert template.to_dict() == {
        "labels": {},
        "annotations": {},
        "nodeSelector": {},
        "tolerations": [],
        "priorityClassName": "",
    }


def test_fields_are_written_in_camel_case_and_absent_rather_than_null() -> None:
    written = spec(commitmentId="cmt_x", context={"likelyFiles": ["a"]}).to_dict()

    assert written["commitmentId"] == "cmt_x"
    assert written["context"]["likelyFiles"] == ["a"]
    assert "commandId" not in written
    assert BugCommandSpec.model_validate(written) == spec(commitmentId="cmt_x", context={"likelyFiles": ["a"]})


def test_an_empty_status_is_written_as_nothing() -> None:
    assert BugCommandStatus().to_dict() == {"conditions": [], "attempts": []}


def test_other_kinds_have_their_defaults() -> None:
    assert (repository().genesis_policy, repository().mirror.enabled, repository().credentials_secret) == (
        "Allow",
        True,
        None,
    )
    assert (agent().command, agent().transcript, agent().credential) == (["claude"], "ClaudeCode", None)


def test_children_have_names_that_follow_from_their_command() -> None:
    assert names.agent_pod_name("fix", 2) == "fix-2-agent"
    assert names.publish_pod_name("fix", 2) == "fix-2-publish"
    assert names.rescue_pod_name("fix", 2) == "fix-2-rescue"
    assert names.worktree_volume_name("fix") == "fix-worktree"
    assert names.mirror_volume_name("shop") == "shop-mirror"
    assert names.checkout_volume_name("shop") == "shop-checkout"
    assert names.branch_name("cmt_x") == "bug/cmt_x"
    assert names.rescue_ref("cmt_x", 1) == "refs/mentu/rescue/cmt_x/1"


def test_the_longest_name_leaves_its_pods_a_host_name() -> None:
    assert len(names.publish_pod_name("x" * names.MAX_COMMAND_NAME, 999)) <= 63


@pytest.mark.parametrize("name", ["short", "x" * 63, "x" * 64, "a." * 100 + "a", "x" * 54 + "." + "y" * 100, "x" * 253])
def test_a_label_holds_any_name_and_tells_names_apart(name: str) -> None:
    value = names.label_value(name)

    assert len(value) <= 63
    assert value[0].isalnum()
    assert value[-1].isalnum()
    assert names.label_value(name + "z") != value


def test_a_commitment_follows_from_the_uid() -> None:
    assert names.commitment_id_from_uid("0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01") == "cmt_0b5c7c0e58c1"
