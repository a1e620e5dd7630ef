"""The chart's own pods: restricted, probed, reachable by the Services that name them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import (
    POD_KINDS,
    POSTGRES,
    RELEASE,
    Manifest,
    executor_pod,
    gateway_pod,
    of_kind,
    one,
    pod_of,
    render,
)
from tests.support.pod_security import problems

PODS = [
    ("StatefulSet", f"{RELEASE}-executor"),
    ("Job", f"{RELEASE}-default-agent"),
    ("Job", f"{RELEASE}-uninstall"),
    ("Pod", f"{RELEASE}-test"),
]
OF_POSTGRES = [("Deployment", f"{RELEASE}-gateway"), ("Job", f"{RELEASE}-migration")]
EACH: list[tuple[Manifest, str, str]] = [({}, *pod) for pod in PODS] + [(POSTGRES, *pod) for pod in PODS + OF_POSTGRES]


def matches(selector: Manifest, pod: Manifest) -> bool:
    return bool(selector) and selector.items() <= pod["metadata"]["labels"].items()


def named_ports(pod: Manifest) -> dict[str, int]:
    return {p["name"]: p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports", [])}


@pytest.mark.parametrize(("values", "wanted"), [({}, PODS), (POSTGRES, PODS + OF_POSTGRES)])
def test_these_are_all_pods_of_the_chart(values: Manifest, wanted: list[tuple[str, str]]) -> None:
    assert {(o["kind"], o["metadata"]["name"]) for o in render(**values) if o["kind"] in POD_KINDS} == set(wanted)


@pytest.mark.parametrize(("values", "kind", "name"), EACH)
def test_every_pod_keeps_to_the_restricted_standard(values: Manifest, kind: str, name: str) -> None:
    pod = pod_of(one(kind, name, render(**values)))
    assert problems(pod) == []
    spec = pod["spec"]
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


@pytest.mark.parametrize(("values", "kind", "name"), EACH)
def test_every_container_has_a_memory_limit_and_says_what_it_needs(values: Manifest, kind: str, name: str) -> None:
    for container in pod_of(one(kind, name, render(**values)))["spec"]["containers"]:
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_a_token_is_mounted_only_where_the_api_server_is_called() -> None:
    objects = render(**POSTGRES)
    pods = {name: pod_of(one(kind, name, objects))["spec"] for kind, name in PODS + OF_POSTGRES}
    assert {name: spec["automountServiceAccountToken"] for name, spec in pods.items()} == {
        f"{RELEASE}-executor": True,
        f"{RELEASE}-default-agent": True,
        f"{RELEASE}-gateway": True,
        f"{RELEASE}-migration": False,
        f"{RELEASE}-uninstall": True,
        f"{RELEASE}-test": True,
    }
    assert all(a["automountServiceAccountToken"] is False for a in of_kind("ServiceAccount", objects))


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_each_service_selects_the_one_pod_that_has_its_port(values: Manifest) -> None:
    objects = render(**values)
    pods = [pod_of(o) for o in objects if o["kind"] in POD_KINDS]
    wanted = {f"{RELEASE}-executor": executor_pod(objects), f"{RELEASE}-gateway": gateway_pod(objects)}
    for service in of_kind("Service", objects):
        pod = wanted.pop(service["metadata"]["name"])
        assert [p for p in pods if matches(service["spec"]["selector"], p)] == [pod]
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= set(named_ports(pod))
    assert not wanted


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_selectors_of_sets_budgets_and_spreads_take_in_their_own_pod_and_no_other(values: Manifest) -> None:
    objects = render(podDisruptionBudget={"enabled": True}, **values)
    pods = [pod_of(o) for o in objects if o["kind"] in POD_KINDS]
    for obj in (o for o in objects if o["kind"] in ("StatefulSet", "Deployment", "PodDisruptionBudget")):
        own = executor_pod(objects) if obj["metadata"]["name"] == f"{RELEASE}-executor" else gateway_pod(objects)
        selectors = [obj["spec"]["selector"]["matchLabels"]]
        if obj["kind"] != "PodDisruptionBudget":
            spread = pod_of(obj)["spec"].get("topologySpreadConstraints", [])
            selectors += [s["labelSelector"]["matchLabels"] for s in spread]
        for selector in selectors:
            assert [p for p in pods if matches(selector, p)] == [own]


def test_two_releases_in_one_namespace_do_not_select_each_others_pods() -> None:
    selector = one("StatefulSet", f"{RELEASE}-executor", render())["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == RELEASE


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_probes_ask_the_ports_that_the_programs_answer_on(values: Manifest) -> None:
    objects = render(**values)
    ports = named_ports(executor_pod(objects)) | named_ports(gateway_pod(objects))
    readiness = {("executor", "readinessProbe", "/readyz", 8082)} if values else set()
    assert ports == {"metrics": 9090, "health": 8081, "http": 8080, **({"ready": 8082} if values else {})}
    asked = {
        (c["name"], probe, c[probe]["httpGet"]["path"], ports[c[probe]["httpGet"]["port"]])
        for pod in (executor_pod(objects), gateway_pod(objects))
        for c in pod["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if probe in c
    }
    assert asked == readiness | {
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


def test_with_postgres_the_executors_pod_has_the_executor_alone_and_no_volume_of_logs() -> None:
    objects = render(**POSTGRES)
    stateful_set = one("StatefulSet", f"{RELEASE}-executor", objects)["spec"]
    assert stateful_set["replicas"] == 1
    assert "volumeClaimTemplates" not in stateful_set
    spec = executor_pod(objects)["spec"]
    assert [c["name"] for c in spec["containers"]] == ["executor"]
    assert {v["name"]: set(v) - {"name"} for v in spec["volumes"]} == {"executor-tmp": {"emptyDir"}}


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_every_mount_is_of_a_volume_that_the_pod_has(values: Manifest) -> None:
    for obj in (o for o in render(**values) if o["kind"] in POD_KINDS):
        spec = pod_of(obj)["spec"]
        volumes = {v["name"] for v in spec.get("volumes", [])}
        volumes |= {c["metadata"]["name"] for c in obj["spec"].get("volumeClaimTemplates", [])}
        mounted = {m["name"] for c in spec["containers"] for m in c.get("volumeMounts", [])}
        assert mounted == volumes


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


def test_all_pods_use_the_pull_secrets_and_the_pull_policy_and_stand_where_they_are_told() -> None:
    placed: dict[str, Any] = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "priorityClassName": "high",
    }
    objects = render(imagePullSecrets=["registry"], image={"pullPolicy": "Never"}, **placed, **POSTGRES)
    for obj in (o for o in objects if o["kind"] in POD_KINDS):
        spec = pod_of(obj)["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert {c["imagePullPolicy"] for c in spec["containers"]} == {"Never"}
        assert {field: spec.get(field) for field in placed} == placed, obj["metadata"]["name"]


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_the_monitor_reads_metrics_of_both_containers_by_ports_that_exist(values: Manifest) -> None:
    objects = render(serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}}, **values)
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
