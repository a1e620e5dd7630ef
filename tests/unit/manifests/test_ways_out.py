"""The company's proxy and certificates: in what talks to the world outside; an Agent's own word stands above them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import agent, claimed, command, repository

from bugcommand_operator.manifests.agent_pod import CERTIFICATES, TRUSTING, agent_pod
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import TOOLS
from bugcommand_operator.manifests.publish_pod import publish_pod, rescue_pod
from bugcommand_operator.workspace import tools
from bugcommand_operator.workspace.git import PASSED_ON
from bugcommand_operator.workspace.paths import Paths

PEM = "-----BEGIN CERTIFICATE-----\nours"
PROXY = {"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc,localhost"}
BEHIND = Install("operator:1", "agent:1", proxy=PROXY, ca_bundle=PEM)
OPEN = Install("operator:1", "agent:1")
Raw = dict[str, Any]


def containers(install: Install, **of_agent: Any) -> dict[str, dict[str, str]]:
    shop = repository(credentialsSecret={"name": "git"}, caBundle="-----BEGIN CERTIFICATE-----\ntheirs")
    made = [
        agent_pod(command(claimed()), shop, agent(**of_agent), install),
        publish_pod(command(claimed()), shop, install),
        rescue_pod(command(claimed()), shop, install),
    ]
    found = [c for pod in made for c in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]]
    return {c["name"]: {v["name"]: v.get("value", "") for v in c["env"]} for c in found}


@pytest.mark.parametrize("name", ["fetch", "workspace", "publish", "agent"])
def test_what_talks_to_the_world_outside_goes_by_the_proxy(name: str) -> None:
    env = containers(BEHIND)[name]
    assert {n: env[n] for n in PROXY} == PROXY
    assert {n: env[n.lower()] for n in PROXY} == PROXY
    assert not {n for n in containers(OPEN)[name] if n.upper() in PROXY}


def test_git_is_given_the_proxy_of_its_container() -> None:
    assert {*PROXY, *(name.lower() for name in PROXY)} <= set(PASSED_ON)


@pytest.mark.parametrize("name", ["fetch", "workspace", "publish"])
def test_git_trusts_the_installation_s_certificates_and_the_repository_s(name: str) -> None:
    both = f"{PEM}\n-----BEGIN CERTIFICATE-----\ntheirs"
    assert containers(BEHIND)[name]["MENTU_CA_BUNDLE"] == both


def test_the_agent_is_shown_the_file_that_the_init_container_writes() -> None:
    found = containers(BEHIND)
    assert {found["agent"][name] for name in TRUSTING} == {CERTIFICATES}
    assert found["workspace"]["MENTU_AGENT_CA_BUNDLE"] == PEM
    assert f"{Paths().tools}/{tools.CERTIFICATES}" == CERTIFICATES
    pod = agent_pod(command(claimed()), repository(), agent(), BEHIND)
    (mount,) = (m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["name"] == TOOLS)
    assert (mount["mountPath"], mount["readOnly"]) == (Paths().tools, True)
    assert not set(TRUSTING) & set(containers(OPEN)["agent"])
    assert "MENTU_AGENT_CA_BUNDLE" not in containers(OPEN)["workspace"]


def test_an_agent_may_have_a_proxy_and_certificates_of_its_own() -> None:
    own = {"HTTPS_PROXY": "http://models:3128", "NODE_EXTRA_CA_CERTS": "/own.crt"}
    env = containers(BEHIND, env=[{"name": n, "value": v} for n, v in own.items()])["agent"]
    assert {n: env[n] for n in own} == own
    assert env["HTTP_PROXY"] == PROXY["HTTP_PROXY"]
