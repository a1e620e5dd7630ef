"""The rights that the chart gives are the ones that the code uses, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import NAMESPACE, POSTGRES, RELEASE, Manifest, gateway_pod, of_kind, one, render

from bugcommand_operator.manifests.network_policy import NAME as POLICY_NAME

EXECUTOR = f"{RELEASE}-{NAMESPACE}-executor"
USED = {
    ("mentu.dev", "bugcommands"): {"get", "list", "watch", "patch", "delete"},
    ("mentu.dev", "bugcommands/status"): {"patch"},
    ("mentu.dev", "repositories"): {"get", "list", "watch"},
    ("mentu.dev", "agents"): {"get", "list", "watch"},
    ("", "pods"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "persistentvolumeclaims"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "events"): {"create"},
    ("networking.k8s.io", "networkpolicies"): {"create", "get", "patch"},
}
IN_THE_REGISTRY = {
    ("coordination.k8s.io", "leases"): {"get", "list", "create", "patch", "delete"},
    ("mentu.dev", "executors"): {"list", "create", "patch", "delete"},
    ("mentu.dev", "executors/status"): {"patch"},
}
REVIEWS = {
    ("authentication.k8s.io", "tokenreviews"): {"create"},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create"},
}
BY_THE_GATEWAY = {
    ("", "pods"): {"get"},
    ("mentu.dev", "repositories"): {"list", "watch"},
    ("mentu.dev", "bugcommands"): {"get"},
    ("mentu.dev", "bugcommands/status"): {"patch"},
}
BY_THE_BRIDGE = {("mentu.dev", "bugcommands"): {"get", "list", "watch", "create", "patch"}}
EVERYTHING: dict[str, Any] = {
    "serviceMonitor": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
    "bridge": {"enabled": True},
    **POSTGRES,
}


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


def granted_to(account: str, objects: list[Manifest]) -> dict[str, dict[tuple[str, str], set[str]]]:
    """All rights of an account by where it has them, the whole cluster being ""."""
    found: dict[str, dict[tuple[str, str], set[str]]] = {}
    for binding in of_kind("RoleBinding", objects) + of_kind("ClusterRoleBinding", objects):
        if account not in [s["name"] for s in binding["subjects"]]:
            continue
        where = binding["metadata"].get("namespace", "")
        role = next(
            r
            for r in of_kind(binding["roleRef"]["kind"], objects)
            if (r["metadata"]["name"], r["metadata"].get("namespace", "")) == (binding["roleRef"]["name"], where)
        )
        for what, verbs in rights(role).items():
            found.setdefault(where, {}).setdefault(what, set()).update(verbs)
    return found


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


def test_beyond_namespaces_only_tokens_and_their_owners_rights_may_be_reviewed() -> None:
    role = one("ClusterRole", f"{RELEASE}-{NAMESPACE}-cluster", render(watchNamespaces=["a"]))
    assert rights(role) == {**REVIEWS, ("storage.k8s.io", "storageclasses"): {"get"}}


def test_with_postgres_executor_and_gateway_have_accounts_of_their_own_with_what_each_needs() -> None:
    objects = render(**POSTGRES)
    account = gateway_pod(objects)["spec"]["serviceAccountName"]
    assert account == f"{RELEASE}-gateway"
    assert granted_to(account, objects) == {"": {**REVIEWS, **BY_THE_GATEWAY}}
    assert granted_to(f"{RELEASE}-executor", objects) == {
        "": {**USED, ("storage.k8s.io", "storageclasses"): {"get"}},
        NAMESPACE: IN_THE_REGISTRY,
    }


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a", "b"]}])
def test_executors_are_registered_in_the_release_s_namespace_and_nowhere_else(values: dict[str, Any]) -> None:
    granted = granted_to(f"{RELEASE}-executor", render(**values))
    leases = {where: rights for where, rights in granted.items() if ("coordination.k8s.io", "leases") in rights}
    assert leases == {NAMESPACE: IN_THE_REGISTRY}


def test_with_namespaces_named_the_gateway_has_rights_there_alone() -> None:
    objects = render(**POSTGRES, watchNamespaces=["a", "b"])
    granted = granted_to(f"{RELEASE}-gateway", objects)
    assert granted == {"": REVIEWS, "a": BY_THE_GATEWAY, "b": BY_THE_GATEWAY}


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, [""]),
        ({"watchNamespaces": ["a", "b"]}, ["a", "b"]),
        ({"watchNamespaces": ["a", "b"], "bridge": {"namespaces": ["b"]}}, ["b"]),
        ({"bridge": {"namespaces": ["c"]}}, ["c"]),
    ],
)
def test_commands_may_be_made_only_where_the_bridge_leads(values: dict[str, Any], where: list[str]) -> None:
    given = {**POSTGRES, **values, "bridge": {"enabled": True, **values.get("bridge", {})}}
    granted = granted_to(f"{RELEASE}-gateway", render(**given))
    assert [n for n in granted if "create" in granted[n].get(("mentu.dev", "bugcommands"), ())] == where
    assert all(BY_THE_BRIDGE.items() <= granted[n].items() for n in where)


def test_without_a_bridge_nobody_may_make_a_command_and_with_sqlite_the_one_account_may_where_it_leads() -> None:
    makers = [r for r in roles(render()) if "create" in rights(r).get(("mentu.dev", "bugcommands"), ())]
    assert [r["metadata"]["name"] for r in makers] == [f"{RELEASE}-{NAMESPACE}-edit"], "it is for people"
    granted = granted_to(f"{RELEASE}-executor", render(bridge={"enabled": True, "namespaces": ["c"]}))
    assert granted["c"] == BY_THE_BRIDGE


@pytest.mark.parametrize(("values", "where"), [({}, [""]), ({"watchNamespaces": ["a", "b"]}, ["a", "b"])])
def test_the_readers_account_may_get_commands_and_nothing_else(values: dict[str, Any], where: list[str]) -> None:
    objects = render(**values)
    (account,) = (
        a
        for a in of_kind("ServiceAccount", objects)
        if a["metadata"]["labels"].get("app.kubernetes.io/component") == "log-reader"
    )
    granted = granted_to(account["metadata"]["name"], objects)
    assert granted == {namespace: {("mentu.dev", "bugcommands"): {"get"}} for namespace in where}
    assert "log-reader" not in str(render(**values, logReader={"create": False}))


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}, {"serviceAccount": {"name": "own"}}, EVERYTHING])
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
    assert set(rights(edit)) == kinds
    assert set(rights(view)) == kinds | {("mentu.dev", "executors")}
    assert all(verbs == {"get", "list", "watch"} for verbs in rights(view).values())
    names = {r["metadata"]["name"] for r in roles(render(rbac={"aggregateRoles": False}))}
    assert not names & {view["metadata"]["name"], edit["metadata"]["name"]}


def test_only_who_is_made_an_approver_may_approve() -> None:
    objects = render(**EVERYTHING)
    approver = one("ClusterRole", f"{RELEASE}-{NAMESPACE}-approver", objects)
    assert rights(approver) == {("mentu.dev", "bugcommands"): {"get", "list", "watch", "approve"}}
    assert not any("aggregate" in label for label in approver["metadata"]["labels"])
    others = [role for role in roles(objects) if role != approver]
    assert not any("approve" in verbs for role in others for verbs in rights(role).values())


def test_nobody_but_executor_and_gateway_may_write_a_status() -> None:
    writers = {
        role["metadata"]["name"]
        for role in roles(render(**EVERYTHING))
        if ("mentu.dev", "bugcommands/status") in rights(role)
    }
    assert writers == {f"{RELEASE}-{NAMESPACE}-executor", f"{RELEASE}-{NAMESPACE}-gateway"}


def test_the_job_that_makes_the_default_agent_may_write_that_one_object_only() -> None:
    role = one("Role", f"{RELEASE}-default-agent", render())
    assert [(r["resources"], r["resourceNames"], r["verbs"]) for r in role["rules"]] == [
        (["agents"], ["claude"], ["create", "patch"]),
        (["configmaps"], [f"{RELEASE}-default-agent"], ["get"]),
    ]
