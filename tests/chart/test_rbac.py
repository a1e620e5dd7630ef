"""The rights that the chart gives are the ones that the code uses, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import NAMESPACE, RELEASE, Manifest, of_kind, one, render

from bugcommand_operator.manifests.network_policy import NAME as POLICY_NAME

EXECUTOR = f"{RELEASE}-{NAMESPACE}-executor"
USED = {
    ("mentu.dev", "bugcommands"): {"get", "list", "watch", "patch"},
    ("mentu.dev", "bugcommands/status"): {"patch"},
    ("mentu.dev", "repositories"): {"get", "list", "watch"},
    ("mentu.dev", "agents"): {"get", "list", "watch"},
    ("", "pods"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "persistentvolumeclaims"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "events"): {"create"},
    ("networking.k8s.io", "networkpolicies"): {"create", "get", "patch"},
}
EVERYTHING: dict[str, Any] = {"serviceMonitor": {"enabled": True}, "podDisruptionBudget": {"enabled": True}}


def rights(role: Manifest) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def roles(objects: list[Manifest]) -> list[Manifest]:
    return of_kind("Role", objects) + of_kind("ClusterRole", objects)


def test_the_executor_may_do_exactly_what_it_does() -> None:
    assert rights(one("ClusterRole", EXECUTOR, render())) == USED


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a", "b"]}, EVERYTHING])
def test_no_role_has_a_wildcard_or_reaches_secrets_exec_or_other_rights(values: dict[str, Any]) -> None:
    for role in roles(render(**values)):
        for rule in role["rules"]:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in words
            assert not words & {
                "secrets",
                "pods/exec",
                "pods/attach",
                "serviceaccounts/token",
                "pods/ephemeralcontainers",
            }
            assert not words & {"escalate", "bind", "impersonate", "rbac.authorization.k8s.io"}
            assert "nonResourceURLs" not in rule


def test_only_the_agents_policy_may_be_changed_and_none_without_network_policies() -> None:
    changing = [r for r in one("ClusterRole", EXECUTOR, render())["rules"] if r["apiGroups"] == ["networking.k8s.io"]]
    assert [r.get("resourceNames") for r in changing if "patch" in r["verbs"]] == [[POLICY_NAME]]
    without = rights(one("ClusterRole", EXECUTOR, render(networkPolicy={"enabled": False})))
    assert ("networking.k8s.io", "networkpolicies") not in without


def test_with_namespaces_named_the_executor_has_rights_there_alone() -> None:
    objects = render(watchNamespaces=["a", "b"])
    granted = [r for r in of_kind("Role", objects) if r["metadata"]["name"] == EXECUTOR]
    assert [r["metadata"]["namespace"] for r in granted] == ["a", "b"]
    assert all(rights(r) == USED for r in granted)
    bound = [b["roleRef"]["name"] for b in of_kind("ClusterRoleBinding", objects)]
    assert bound == [f"{RELEASE}-{NAMESPACE}-cluster"]


def test_beyond_namespaces_only_tokens_may_be_reviewed() -> None:
    role = one("ClusterRole", f"{RELEASE}-{NAMESPACE}-cluster", render(watchNamespaces=["a"]))
    assert rights(role) == {
        ("authentication.k8s.io", "tokenreviews"): {"create"},
        ("storage.k8s.io", "storageclasses"): {"get"},
    }


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}, {"serviceAccount": {"name": "own"}}])
def test_every_binding_names_a_role_and_an_account_of_the_release(values: dict[str, Any]) -> None:
    objects = render(**values)
    accounts = {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in of_kind("ServiceAccount", objects)}
    for binding in of_kind("RoleBinding", objects) + of_kind("ClusterRoleBinding", objects):
        role = (binding["roleRef"]["kind"], binding["roleRef"]["name"], binding["metadata"].get("namespace"))
        assert role in {(r["kind"], r["metadata"]["name"], r["metadata"].get("namespace")) for r in roles(objects)}
        assert {(s["namespace"], s["name"]) for s in binding["subjects"]} <= accounts


def test_who_may_view_or_edit_a_namespace_may_view_or_edit_what_is_ours_in_it() -> None:
    objects = render()
    view = one("ClusterRole", f"{RELEASE}-{NAMESPACE}-view", objects)
    edit = one("ClusterRole", f"{RELEASE}-{NAMESPACE}-edit", objects)
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    assert {k for k in view["metadata"]["labels"] if k.startswith(aggregate)} == {f"{aggregate}view"}
    assert {k for k in edit["metadata"]["labels"] if k.startswith(aggregate)} == {
        f"{aggregate}edit",
        f"{aggregate}admin",
    }
    kinds = {("mentu.dev", name) for name in ("bugcommands", "repositories", "agents")}
    assert set(rights(view)) == set(rights(edit)) == kinds
    assert all(verbs == {"get", "list", "watch"} for verbs in rights(view).values())
    names = {r["metadata"]["name"] for r in roles(render(rbac={"aggregateRoles": False}))}
    assert not names & {view["metadata"]["name"], edit["metadata"]["name"]}


def test_the_job_that_makes_the_default_agent_may_write_that_one_object_only() -> None:
    role = one("Role", f"{RELEASE}-default-agent", render())
    assert [(r["resources"], r["resourceNames"], r["verbs"]) for r in role["rules"]] == [
        (["agents"], ["claude"], ["create", "patch"]),
        (["configmaps"], [f"{RELEASE}-default-agent"], ["get"]),
    ]
