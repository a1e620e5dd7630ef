"""The demo's objects and the examples they are made from: valid for the operator, allowed by Pod Security."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.demo import objects
from dev.demo.install import helm_values
from dev.demo.settings import EXAMPLES, Settings, from_environment
from dev.gitserver.access import GitAccess
from pydantic import BaseModel

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.bugcommand import BugCommandSpec
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.genesis import Allowed, Refusal
from bugcommand_operator.core.genesis_file import decide
from bugcommand_operator.replay.scenario import load

MODELS: dict[str, type[BaseModel]] = {"Agent": AgentSpec, "Repository": RepositorySpec, "BugCommand": BugCommandSpec}
ACCESS = GitAccess("-----BEGIN CERTIFICATE-----\n", "key", "token", "x:y")
REPLAY = Settings(kubeconfig="k")
PAID = Settings(kubeconfig="k", api_key="sk-real", base_url="https://model.example.com")


def ours(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["apiVersion"] == "mentu.dev/v1alpha1"]


def demo(settings: Settings) -> list[dict[str, Any]]:
    return [*objects.agent(settings), objects.repository(settings, ACCESS), objects.command(settings)]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_each_example_fits_the_models(file: Path) -> None:
    for item in ours(objects.read(file)):
        MODELS[item["kind"]].model_validate(item["spec"])


@pytest.mark.parametrize("settings", [REPLAY, PAID], ids=["replay", "paid"])
def test_the_demo_s_objects_fit_the_models_and_name_each_other(settings: Settings) -> None:
    found = {item["kind"]: item for item in ours(demo(settings))}
    for kind, item in found.items():
        MODELS[kind].model_validate(item["spec"])
    spec = found["BugCommand"]["spec"]
    assert spec["agent"] == found["Agent"]["metadata"]["name"]
    assert spec["repository"]["name"] == found["Repository"]["metadata"]["name"]
    secrets = {item["metadata"]["name"]: item["stringData"] for item in demo(settings) if item["kind"] == "Secret"}
    credential = found["Agent"]["spec"]["credential"]
    assert credential["key"] in secrets[credential["secretName"]]


def test_with_a_key_the_real_model_is_asked_and_no_scenario() -> None:
    secret, agent = objects.agent(PAID)
    assert secret["stringData"] == {"api-key": "sk-real"}
    assert agent["spec"]["baseURL"] == "https://model.example.com"


def test_a_base_url_of_the_environment_counts_only_with_a_key() -> None:
    assert from_environment({"ANTHROPIC_BASE_URL": "http://proxy"}).base_url == ""
    assert from_environment({"ANTHROPIC_BASE_URL": "http://proxy", "ANTHROPIC_API_KEY": "k"}).base_url == "http://proxy"


def test_a_key_never_shows_in_the_settings_text() -> None:
    assert "sk-real" not in repr(PAID)


def test_the_demo_s_prompt_is_the_one_that_the_scenario_waits_for() -> None:
    [scenario] = [item for item in load([EXAMPLES / "scenarios"]) if item.name == "fix-discount"]
    assert scenario.matches(objects.command(REPLAY)["spec"]["prompt"])


def test_what_runs_the_project_s_code_has_no_credential() -> None:
    pod = objects.test_pod("t", "main", REPLAY, ACCESS)["spec"]
    [test] = pod["containers"]
    assert {mount["name"] for mount in test["volumeMounts"]} == {"source", "tmp"}
    assert "env" not in test
    assert pod["automountServiceAccountToken"] is False


def pod_specs() -> list[dict[str, Any]]:
    deployments = [*objects.git_server(REPLAY), *objects.replay_server(REPLAY)]
    specs = [item["spec"]["template"]["spec"] for item in deployments if item["kind"] == "Deployment"]
    return [*specs, objects.test_pod("t", "main", REPLAY, ACCESS)["spec"]]


def test_every_pod_keeps_the_restricted_pod_security_standard() -> None:
    specs = pod_specs()
    assert len(specs) == 3
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_images_come_from_the_registry_that_was_named() -> None:
    settings = from_environment({"IMAGE_PREFIX": "registry.example.com/m/", "IMAGE_TAG": "1.0"})
    [deployment] = [item for item in objects.git_server(settings) if item["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/m/mentu-gitserver:1.0"


def test_the_replay_server_gets_the_scenarios_as_they_are_in_the_examples() -> None:
    config = objects.replay_server(REPLAY)[0]
    [text] = [text for name, text in config["data"].items() if name == "fix-discount.yaml"]
    assert yaml.safe_load(text)["scenarios"][0]["name"] == "fix-discount"


def test_the_example_project_lets_the_executor_work_and_nobody_else() -> None:
    key = (EXAMPLES / "project" / ".mentu" / "genesis.key").read_bytes()
    assert isinstance(decide(key, "Deny", "agent:executor"), Allowed)
    assert isinstance(decide(key, "Deny", "agent:stranger"), Refusal)


def test_agents_may_reach_the_demo_s_servers_on_the_ports_of_their_pods() -> None:
    opened = {}
    for rule in helm_values(REPLAY)["networkPolicy"]["extraEgress"]:
        [peer] = rule["to"]
        assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "mentu-demo"}
        opened[peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]] = {port["port"] for port in rule["ports"]}
    for item in [*objects.git_server(REPLAY), *objects.replay_server(REPLAY)]:
        if item["kind"] == "Deployment":
            template = item["spec"]["template"]
            [container] = template["spec"]["containers"]
            ports = {port["containerPort"] for port in container["ports"]}
            assert opened.pop(template["metadata"]["labels"]["app.kubernetes.io/name"]) == ports
    assert not opened
