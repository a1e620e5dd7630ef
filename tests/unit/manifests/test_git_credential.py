"""The git credential: in the containers that talk to the remote, by reference to a Secret, and in no other."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import command

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.manifests.agent_pod import agent_pod
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.publish_pod import publish_pod, rescue_pod

INSTALL = Install(operator_image="operator:1", agent_image="agent:1")
PRIVATE = RepositorySpec.model_validate(
    {"url": "https://git.example.com/shop.git", "credentialsSecret": {"name": "git-token"}}
)
PUBLIC = RepositorySpec(url="https://git.example.com/shop.git")


def pods(repository: RepositorySpec) -> dict[str, dict[str, Any]]:
    made = {
        "agent": agent_pod(command(), repository, AgentSpec(), INSTALL),
        "publish": publish_pod(command(), repository, INSTALL),
        "rescue": rescue_pod(command(), repository, INSTALL),
    }
    return {name: pod["spec"] for name, pod in made.items()}


def containers(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in [*spec["initContainers"], *spec["containers"]]}


def holds_credential(container: dict[str, Any]) -> bool:
    return "git-token" in str(container)


def test_only_what_talks_to_the_remote_holds_the_credential() -> None:
    found = {
        (pod, name)
        for pod, spec in pods(PRIVATE).items()
        for name, c in containers(spec).items()
        if holds_credential(c)
    }
    assert found == {("agent", "fetch"), ("publish", "publish"), ("rescue", "publish")}


@pytest.mark.parametrize("pod", ["agent", "publish", "rescue"])
def test_what_holds_the_credential_mounts_nothing_that_an_agent_or_another_container_wrote(pod: str) -> None:
    spec = pods(PRIVATE)[pod]
    holders = [c for c in containers(spec).values() if holds_credential(c)]
    others = [c for c in containers(spec).values() if not holds_credential(c)]
    for holder in holders:
        written = {m["name"] for m in holder["volumeMounts"] if not m.get("readOnly")} - {"mirror"}
        assert "workspace" not in {m["name"] for m in holder["volumeMounts"]}
        assert written == {"scratch"}
        assert all("scratch" not in {m["name"] for m in c["volumeMounts"]} for c in others)


def test_a_missing_secret_holds_up_the_container_and_not_the_whole_pod() -> None:
    """A Secret that is a volume would leave the pod without any state that says what is missing."""
    spec = pods(PRIVATE)["agent"]
    assert not [v for v in spec["volumes"] if "secret" in v]
    references = {
        e["name"]: e["valueFrom"]["secretKeyRef"] for e in containers(spec)["fetch"]["env"] if "valueFrom" in e
    }
    assert references["MENTU_GIT_PASSWORD"] == {"name": "git-token", "key": "password"}
    assert references["MENTU_GIT_USERNAME"] == {"name": "git-token", "key": "username", "optional": True}


def test_a_public_repository_needs_none() -> None:
    for spec in pods(PUBLIC).values():
        assert all("valueFrom" not in e for c in containers(spec).values() for e in c["env"])
        assert "scratch" not in {v["name"] for v in spec["volumes"]}
