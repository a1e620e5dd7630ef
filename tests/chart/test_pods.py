"""The chart's own pods: restricted, probed, reachable by the Services that name them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import POD_KINDS, RELEASE, Manifest, executor_pod, of_kind, one, pod_of, render

PODS = [
    ("StatefulSet", f"{RELEASE}-executor"),
    ("Job", f"{RELEASE}-default-agent"),
    ("Pod", f"{RELEASE}-test-gateway"),
]


def matches(selector: Manifest, pod: Manifest) -> bool:
    return bool(selector) and selector.items() <= pod["metadata"]["labels"].items()


def named_ports(pod: Manifest) -> dict[str, int]:
    return {p["name"]: p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports", [])}


def test_these_are_all_pods_of_the_chart() -> None:
    assert {(o["kind"], o["metadata"]["name"]) for o in render() if o["kind"] in POD_KINDS} == set(PODS)


@pytest.mark.parametrize(("kind", "name"), PODS)
def test_every_pod_keeps_to_the_restricted_standard(kind: str, name: str) -> None:
    spec = pod_of(one(kind, name, render()))["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all("hostPath" not in v for v in spec.get("volumes", []))
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(("kind", "name"), PODS)
def test_every_container_has_a_memory_limit_and_says_what_it_needs(kind: str, name: str) -> None:
    for container in pod_of(one(kind, name, render()))["spec"]["containers"]:
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_a_token_is_mounted_only_where_the_api_server_is_called() -> None:
    objects = render()
    mounted = {name: pod_of(one(kind, name, objects))["spec"]["automountServiceAccountToken"] for kind, name in PODS}
    assert mounted == {
        f"{RELEASE}-executor": True,
        f"{RELEASE}-default-agent": True,
        f"{RELEASE}-test-gateway": False,
    }
    assert all(a["automountServiceAccountToken"] is False for a in of_kind("ServiceAccount", objects))


def test_every_service_selects_the_executor_pod_and_a_port_of_it() -> None:
    objects = render()
    pod = executor_pod(objects)
    for service in of_kind("Service", objects):
        assert matches(service["spec"]["selector"], pod)
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= set(named_ports(pod))


def test_selectors_take_in_the_executor_pod_and_no_other_pod_of_the_release() -> None:
    objects = render(podDisruptionBudget={"enabled": True})
    selectors = [s["spec"]["selector"] for s in of_kind("Service", objects)]
    selectors.append(one("StatefulSet", f"{RELEASE}-executor", objects)["spec"]["selector"]["matchLabels"])
    selectors.append(one("PodDisruptionBudget", f"{RELEASE}-executor", objects)["spec"]["selector"]["matchLabels"])
    pods = [pod_of(o) for o in objects if o["kind"] in POD_KINDS]
    for selector in selectors:
        assert [p for p in pods if matches(selector, p)] == [executor_pod(objects)]


def test_two_releases_in_one_namespace_do_not_select_each_others_pods() -> None:
    selector = one("StatefulSet", f"{RELEASE}-executor", render())["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == RELEASE


def test_probes_ask_the_ports_that_the_programs_answer_on() -> None:
    pod = executor_pod(render())
    ports = named_ports(pod)
    assert ports == {"metrics": 9090, "health": 8081, "http": 8080}
    asked = {
        (c["name"], probe, c[probe]["httpGet"]["path"], ports[c[probe]["httpGet"]["port"]])
        for c in pod["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if probe in c
    }
    assert asked == {
        ("executor", "startupProbe", "/healthz", 8081),
        ("executor", "livenessProbe", "/healthz", 8081),
        ("gateway", "startupProbe", "/healthz", 8080),
        ("gateway", "readinessProbe", "/readyz", 8080),
        ("gateway", "livenessProbe", "/healthz", 8080),
    }


def test_there_is_one_replica_since_sqlite_has_one_writing_process() -> None:
    assert one("StatefulSet", f"{RELEASE}-executor", render())["spec"]["replicas"] == 1


def test_logs_are_on_a_claimed_volume_or_in_the_pod_as_asked() -> None:
    spec = one("StatefulSet", f"{RELEASE}-executor", render(persistence={"storageClass": "fast", "size": "7Gi"}))[
        "spec"
    ]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "7Gi"
    assert "data" not in [v["name"] for v in spec["template"]["spec"]["volumes"]]
    without = one("StatefulSet", f"{RELEASE}-executor", render(persistence={"enabled": False}))["spec"]
    assert "volumeClaimTemplates" not in without
    assert {"name": "data", "emptyDir": {}} in without["template"]["spec"]["volumes"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", {"disk": "ssd"}),
        ("tolerations", [{"key": "x", "operator": "Exists"}]),
        ("affinity", {"nodeAffinity": {}}),
        ("topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ("priorityClassName", "high"),
        ("terminationGracePeriodSeconds", 90),
    ],
)
def test_placement_reaches_the_executor_pod(field: str, value: Any) -> None:
    assert executor_pod(render(**{field: value}))["spec"][field] == value


def test_pods_use_the_pull_secrets_and_the_pull_policy() -> None:
    objects = render(imagePullSecrets=["registry"], image={"pullPolicy": "Never"})
    for obj in (o for o in objects if o["kind"] in POD_KINDS):
        spec = pod_of(obj)["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert {c["imagePullPolicy"] for c in spec["containers"]} == {"Never"}


def test_the_monitor_reads_metrics_of_both_containers_by_ports_that_exist() -> None:
    objects = render(serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}})
    (monitor,) = of_kind("ServiceMonitor", objects)
    services = of_kind("Service", objects)
    assert all(monitor["spec"]["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items() for s in services)
    offered = {p["name"] for s in services for p in s["spec"]["ports"]}
    assert {e["port"] for e in monitor["spec"]["endpoints"]} == offered == {"metrics", "http"}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert not of_kind("ServiceMonitor", render())


def test_no_disruption_budget_can_forbid_to_drain_the_node_by_default() -> None:
    assert not of_kind("PodDisruptionBudget", render())
    (budget,) = of_kind("PodDisruptionBudget", render(podDisruptionBudget={"enabled": True}))
    assert budget["spec"]["maxUnavailable"] == 1
