"""The CustomResourceDefinitions: up to date, structural, and what the contract says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bugcommand_operator.api.bugcommand import MUTABLE_AFTER_CLAIM, BugCommandSpec
from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.api.crd import all_crds

TOP = Path(__file__).resolve().parents[3]
CRDS = all_crds()
KINDS = {crd["spec"]["names"]["kind"]: crd for crd in CRDS.values()}
Schema = dict[str, Any]


def version(kind: str) -> Schema:
    (only,) = KINDS[kind]["spec"]["versions"]
    assert isinstance(only, dict)
    return only


def schema(kind: str) -> Schema:
    found: Schema = version(kind)["schema"]["openAPIV3Schema"]
    return found


def spec(kind: str) -> Schema:
    found: Schema = schema(kind)["properties"]["spec"]
    return found


def status(kind: str) -> Schema:
    found: Schema = schema(kind)["properties"]["status"]
    return found


def nodes(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in (node.get("properties") or {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


ALL_NODES = [(kind, path, node) for kind in KINDS for path, node in nodes(schema(kind))]


@pytest.mark.parametrize("name", CRDS)
def test_the_files_are_what_the_models_say(name: str) -> None:
    assert yaml.safe_load((TOP / "crds" / name).read_text()) == CRDS[name]


def test_there_is_no_file_without_a_model() -> None:
    assert {path.name for path in (TOP / "crds").iterdir()} == set(CRDS)


def test_schemas_are_structural() -> None:
    for kind, path, node in ALL_NODES:
        where = f"{kind}{path}"
        assert not set(node) & {"title", "$ref", "$defs", "definitions", "const", "oneOf", "prefixItems"}, where
        assert "type" in node or node.get("x-kubernetes-int-or-string"), where
        assert isinstance(node.get("type", ""), str), where
        if "anyOf" in node:
            assert node["x-kubernetes-int-or-string"], where
        assert not ("properties" in node and "additionalProperties" in node), where
        assert node.get("default", 0) is not None, where
        if node.get("type") == "array":
            assert "items" in node, where


def test_all_that_people_write_is_bounded() -> None:
    for kind in KINDS:
        for path, node in nodes(spec(kind), ".spec"):
            where = f"{kind}{path}"
            if node.get("type") == "string" and "enum" not in node:
                assert "maxLength" in node, where
            if node.get("type") == "array":
                assert "maxItems" in node, where
            if isinstance(node.get("additionalProperties"), dict):
                assert "maxProperties" in node, where


def test_numbers_that_people_write_are_bounded() -> None:
    for kind in KINDS:
        for path, node in nodes(spec(kind), ".spec"):
            if node.get("type") in {"integer", "number"}:
                assert {"minimum", "maximum"} <= set(node), f"{kind}{path}"


def test_names_versions_and_columns_are_those_of_the_contract() -> None:
    short = {kind: crd["spec"]["names"]["shortNames"] for kind, crd in KINDS.items()}
    assert short["BugCommand"] == ["bug"]
    assert short["Repository"] == ["brepo"]
    for crd in CRDS.values():
        assert crd["spec"]["group"] == "mentu.dev"
        assert crd["spec"]["scope"] == "Namespaced"
        assert crd["spec"]["names"]["categories"] == ["mentu"]
        assert crd["spec"]["versions"][0]["name"] == "v1alpha1"
        assert crd["spec"]["versions"][0]["subresources"] == {"status": {}}
    columns = {c["name"]: c for c in version("BugCommand")["additionalPrinterColumns"]}
    assert {"Phase", "Agent", "Repository", "Machine", "Branch", "Age"} <= set(columns)
    assert [columns[name].get("priority", 0) for name in ("Phase", "Agent", "Repository", "Age")] == [0, 0, 0, 0]
    assert columns["Machine"]["priority"] == columns["Branch"]["priority"] == 1


def test_a_print_column_names_a_field_that_there_is() -> None:
    for kind in KINDS:
        for column in version(kind)["additionalPrinterColumns"]:
            path = column["jsonPath"].split("[")[0].strip(".").split(".")
            if path[0] == "metadata":
                continue
            node = schema(kind)
            for part in path:
                node = node["properties"][part]


def test_the_fields_of_the_contract_are_there() -> None:
    asked = (
        "prompt repository workingDirectory agent withWorktree commandId commitmentId baseRef targetMachine priority "
        "suspend cancel approval agentMode timeoutSeconds context output resources podTemplate"
    )
    assert set(asked.split()) <= set(spec("BugCommand")["properties"])
    told = (
        "observedGeneration phase conditions claim attempt commandId commitmentId podName volumeName branch baseCommit "
        "headCommit logs usage exitCode startTime completionTime queuePosition approval"
    )
    assert set(told.split()) <= set(status("BugCommand")["properties"])
    assert set(status("BugCommand")["properties"]["logs"]["properties"]) == {"tail", "lines", "lastSequence"}
    assert set(status("BugCommand")["properties"]["claim"]["properties"]) == {"executor", "machine", "epoch", "at"}
    assert set(status("BugCommand")["properties"]["approval"]["properties"]) == {
        "decision",
        "by",
        "at",
        "message",
        "retryLimit",
        "afterAttempt",
    }
    assert "costUSD" in status("BugCommand")["properties"]["usage"]["properties"]
    assert status("BugCommand")["properties"]["phase"]["enum"] == [p.value for p in Phase]
    tail = status("BugCommand")["properties"]["logs"]["properties"]["tail"]
    assert tail["maxItems"] == 50


def test_the_defaults_are_those_of_the_contract() -> None:
    fields = spec("BugCommand")["properties"]
    wanted = {
        "withWorktree": True,
        "agentMode": "Terminal",
        "approval": "NotRequired",
        "output": "Branch",
        "suspend": False,
        "cancel": False,
        "priority": 0,
        "timeoutSeconds": 3600,
    }
    assert {name: fields[name].get("default") for name in wanted} == wanted
    assert spec("Repository")["properties"]["genesisPolicy"]["default"] == "Allow"
    assert spec("Agent")["properties"]["command"]["default"] == ["claude"]


def test_a_prompt_and_a_repository_are_all_that_must_be_said() -> None:
    assert spec("BugCommand")["required"] == ["prompt", "repository"]
    assert spec("Repository")["required"] == ["url"]
    assert "required" not in spec("Agent")
    prompt = spec("BugCommand")["properties"]["prompt"]
    assert (prompt["minLength"], prompt["maxLength"]) == (1, 65536)


def rules(kind: str) -> str:
    return "\n".join(r["rule"] for r in schema(kind).get("x-kubernetes-validations", []))


def the_rule_of_the_claim() -> dict[str, str]:
    [found] = [r for r in schema("BugCommand")["x-kubernetes-validations"] if "oldSelf" in r["rule"]]
    return dict(found)


@pytest.mark.parametrize("field", sorted(set(spec("BugCommand")["properties"]) - MUTABLE_AFTER_CLAIM))
def test_what_was_claimed_cannot_change_and_the_refusal_names_it(field: str) -> None:
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    unchanged = f"(has({new}) == has({old}) && (!has({new}) || {new} == {old}))"
    rule = the_rule_of_the_claim()
    assert unchanged in rule["rule"]
    assert f"(!{unchanged} ? 'spec.{field} ' : '')" in rule["messageExpression"]
    assert rule["messageExpression"].endswith(
        "'cannot change once the command is claimed or its approval decided: make a new BugCommand'"
    )


def test_a_claim_is_let_through_by_a_look_at_the_status_and_a_later_write_by_one_comparison() -> None:
    """The API server evaluates the rule at each status write: the rest of it is for changes of the spec."""
    assert the_rule_of_the_claim()["rule"].startswith(
        "!has(oldSelf.status) || !has(oldSelf.status.claim) && !has(oldSelf.status.attempt)"
        " && !has(oldSelf.status.approval) || self.spec == oldSelf.spec || ("
    )


@pytest.mark.parametrize("field", ["cancel", "suspend", "retry", "priority"])
def test_what_steers_a_running_command_may_change(field: str) -> None:
    assert f"self.spec.{field}" not in rules("BugCommand")
    assert field in {f.alias for f in BugCommandSpec.model_fields.values()}


def test_names_of_children_have_room() -> None:
    assert "size(self.metadata.name) <= 50" in rules("BugCommand")
    assert "size(self.metadata.name) <= 54" in rules("Repository")


def test_every_rule_has_a_message_for_people() -> None:
    for kind, path, node in ALL_NODES:
        for rule in node.get("x-kubernetes-validations", []):
            assert len(rule["message"]) > 10, f"{kind}{path}"
            assert "\n" not in rule["rule"], f"{kind}{path}"


def test_each_field_that_is_not_plain_from_its_name_is_described() -> None:
    fields = spec("BugCommand")["properties"]
    for name in ("workingDirectory", "agent", "withWorktree", "commandId", "baseRef", "priority", "suspend", "cancel"):
        assert fields[name].get("description"), name


def test_conditions_are_a_map_by_type() -> None:
    conditions = status("BugCommand")["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["maxItems"] >= len(ConditionType)
    assert set(conditions["items"]["required"]) == {"type", "status", "reason", "lastTransitionTime"}


def test_reasons_are_words_that_a_condition_may_have() -> None:
    for reason in Reason:
        assert reason.value.isalnum()
        assert reason.value[0].isupper()
