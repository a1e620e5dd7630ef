"""The log store in Postgres: the gateway's own Deployment, the migration before it, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import (
    NAMESPACE,
    POSTGRES,
    RELEASE,
    Manifest,
    container_of,
    gateway_pod,
    of_kind,
    one,
    pod_of,
    render,
)

WORKSPACE = "0b7f3d4e-93a1-4c36-9a53-5f4a2f7d0c11"


def deployment(**values: Any) -> Manifest:
    return one("Deployment", f"{RELEASE}-gateway", render(**POSTGRES | values))


def migration(**values: Any) -> Manifest:
    return one("Job", f"{RELEASE}-migration", render(**POSTGRES | values))


def test_more_than_one_gateway_is_refused_with_sqlite_and_it_is_said_what_to_do() -> None:
    with pytest.raises(AssertionError, match=r"gateway\.replicas is 2, and SQLite.*database\.type=postgres"):
        render(gateway={"replicas": 2})
    assert deployment(gateway={"replicas": 3})["spec"]["replicas"] == 3


def test_several_executors_need_postgres_ids_of_their_own_and_none_that_is_solo() -> None:
    assert one("StatefulSet", f"{RELEASE}-executor", render())["spec"]["replicas"] == 1
    several = {**POSTGRES, "executor": {"replicas": 3}}
    assert one("StatefulSet", f"{RELEASE}-executor", render(**several))["spec"]["replicas"] == 3
    with pytest.raises(AssertionError, match=r"executor\.replicas is 3, and with SQLite.*database\.type=postgres"):
        render(executor={"replicas": 3})
    with pytest.raises(AssertionError, match="executorId is the id of one"):
        render(**several, executorId="bridge-one")
    with pytest.raises(AssertionError, match=r"executor\.solo=false"):
        render(**POSTGRES, executor={"replicas": 3, "solo": True})


def test_an_executor_that_does_not_claim_is_not_ready_unless_the_gateway_is_in_its_pod() -> None:
    assert container_of("executor", render(**POSTGRES))["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "readinessProbe" not in container_of("executor", render())


def test_postgres_without_the_name_of_a_secret_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"database\.urlSecret\.name has to name a Secret"):
        render(database={"type": "postgres"})


@pytest.mark.parametrize(
    ("bridge", "named"),
    [
        ({"namespaces": ["shop", "elsewhere"]}, "watchNamespaces"),
        ({"workspaces": {WORKSPACE: "elsewhere"}}, "watchNamespaces"),
        ({"defaultNamespace": "elsewhere"}, "watchNamespaces"),
        ({"namespaces": ["shop"], "defaultNamespace": "site"}, r"bridge\.namespaces"),
    ],
)
def test_a_bridge_to_where_nobody_works_is_refused(bridge: Manifest, named: str) -> None:
    with pytest.raises(AssertionError, match=rf"namespace (elsewhere|site), which {named} does not name"):
        render(watchNamespaces=["shop", "site"], bridge={"enabled": True, **bridge})
    if named == "watchNamespaces":
        render(bridge={"enabled": True, **bridge})


def test_a_gateway_is_replaced_only_once_its_successor_is_ready() -> None:
    strategy = deployment()["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    container = pod_of(deployment())["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "3"]


def test_a_pods_last_moments_fit_into_the_shortest_time_that_it_can_be_given() -> None:
    """What the gateway takes to answer what it has accepted, after the pause before it is told to end."""
    from bugcommand_operator.gateway.settings import GatewaySettings

    spec = pod_of(deployment(terminationGracePeriodSeconds=25))["spec"]
    shutdown = GatewaySettings.model_fields["shutdown_seconds"].default
    pause = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pause + shutdown < spec["terminationGracePeriodSeconds"]


def test_gateways_are_spread_over_nodes_and_zones_and_one_of_several_may_be_evicted() -> None:
    spread = gateway_pod(render(**POSTGRES))["spec"]["topologySpreadConstraints"]
    keys = {s["topologyKey"]: s["whenUnsatisfiable"] for s in spread}
    assert keys == {"kubernetes.io/hostname": "ScheduleAnyway", "topology.kubernetes.io/zone": "ScheduleAnyway"}
    assert all(s["matchLabelKeys"] == ["pod-template-hash"] for s in spread)
    budget = one("PodDisruptionBudget", f"{RELEASE}-gateway", render(**POSTGRES))["spec"]
    assert budget["maxUnavailable"] == 1
    # A budget for a single pod would say nothing, or keep its node from being drained.
    assert not of_kind("PodDisruptionBudget", render(**POSTGRES | {"gateway": {"replicas": 1}}))


def test_the_spread_and_the_affinity_of_gateways_can_be_chosen() -> None:
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    gateway = {"topologySpreadConstraints": own, "affinity": {"nodeAffinity": {}}}
    spec = pod_of(deployment(gateway=gateway))["spec"]
    assert (spec["topologySpreadConstraints"], spec["affinity"]) == (own, {"nodeAffinity": {}})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", {"disk": "ssd"}),
        ("tolerations", [{"key": "x", "operator": "Exists"}]),
        ("priorityClassName", "high"),
        ("terminationGracePeriodSeconds", 90),
    ],
)
def test_what_is_said_of_all_pods_holds_for_the_gateways(field: str, value: Any) -> None:
    assert pod_of(deployment(**{field: value}))["spec"][field] == value


def test_the_database_is_migrated_before_anything_of_the_release_is_installed_or_upgraded() -> None:
    job = migration()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert pod_of(job)["spec"]["containers"][0]["command"] == ["mentu-gateway", "migrate"]
    # A hook before the installation finds nothing of the release: no account, no ConfigMap.
    spec = pod_of(job)["spec"]
    assert "serviceAccountName" not in spec
    assert [set(v) - {"name"} for v in spec["volumes"]] == [{"emptyDir"}]


def test_the_migration_leaves_nothing_behind_whether_it_succeeds_or_fails() -> None:
    job = migration()
    assert "hook-succeeded" in job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert job["spec"]["activeDeadlineSeconds"] < 300  # the time that Helm waits for a hook, if not told otherwise


def test_with_sqlite_there_is_no_migration_and_no_deployment() -> None:
    names = {(o["kind"], o["metadata"]["name"]) for o in render()}
    assert not {("Job", f"{RELEASE}-migration"), ("Deployment", f"{RELEASE}-gateway")} & names


def test_no_password_is_in_any_object() -> None:
    assert "postgresql+psycopg://" not in str(render(**POSTGRES))
    assert one("Service", f"{RELEASE}-gateway", render(**POSTGRES))["metadata"]["namespace"] == NAMESPACE
