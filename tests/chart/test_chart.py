"""The chart as a whole: labels, names, values that are described, checked and refused, and the notes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from dev import chart_values
from tests.chart.rendering import CHART, NAMESPACE, POSTGRES, RELEASE, Manifest, helm, render

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
LABELS = {
    "helm.sh/chart": "mentu-operator-0.1.0",
    "app.kubernetes.io/name": "mentu-operator",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/version": "0.1.0",
    "app.kubernetes.io/managed-by": "Helm",
}
CLUSTER_SCOPED = ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")
EVERYTHING: dict[str, Any] = {
    "podDisruptionBudget": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "commonLabels": {"team": "tools"},
    "bridge": {"enabled": True},
    "proxy": {"http": "http://proxy:3128"},
    "caBundle": {"pem": "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"},
    **POSTGRES,
}
BOTH = {
    "Service mentu-executor",
    "Service mentu-gateway",
    "StatefulSet mentu-executor",
    "ServiceAccount mentu-executor",
    "ServiceAccount mentu-log-reader",
    "NetworkPolicy mentu-executor",
    "ServiceAccount mentu-default-agent",
    "ConfigMap mentu-default-agent",
    "Role mentu-default-agent",
    "RoleBinding mentu-default-agent",
    "Job mentu-default-agent",
    "Pod mentu-test",
    "ServiceAccount mentu-uninstall",
    "Job mentu-uninstall",
    "Role mentu-mentu-system-uninstall-executor",
    "RoleBinding mentu-mentu-system-uninstall-executor",
    "Role mentu-mentu-system-registry",
    "RoleBinding mentu-mentu-system-registry",
    "ClusterRole mentu-mentu-system-view",
    "ClusterRole mentu-mentu-system-edit",
    "ClusterRole mentu-mentu-system-approver",
    *(
        f"{kind} mentu-mentu-system-{name}"
        for kind in ("ClusterRole", "ClusterRoleBinding")
        for name in ("cluster", "executor", "log-reader", "uninstall")
    ),
}
WITH_POSTGRES = {
    "Deployment mentu-gateway",
    "PodDisruptionBudget mentu-gateway",
    "NetworkPolicy mentu-gateway",
    "ServiceAccount mentu-gateway",
    "Job mentu-migration",
    *(
        f"{kind} mentu-mentu-system-{name}"
        for kind in ("ClusterRole", "ClusterRoleBinding")
        for name in ("gateway", "reviews")
    ),
}


@pytest.mark.parametrize(("values", "wanted"), [({}, BOTH), (POSTGRES, BOTH | WITH_POSTGRES)])
def test_these_are_all_objects_of_the_release(values: dict[str, Any], wanted: set[str]) -> None:
    objects = [o for o in render(**values) if o["kind"] != "CustomResourceDefinition"]
    assert sorted(f"{o['kind']} {o['metadata']['name']}" for o in objects) == sorted(wanted)


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_every_object_carries_the_standard_labels(values: dict[str, Any]) -> None:
    for obj in render(**values):
        wanted = {**LABELS, **values.get("commonLabels", {})}
        assert wanted.items() <= obj["metadata"]["labels"].items(), obj["metadata"]["name"]


def test_every_object_says_its_namespace_and_starts_with_the_releases_name() -> None:
    for obj in render(**EVERYTHING):
        if obj["kind"] == "CustomResourceDefinition":
            continue
        assert obj["metadata"]["name"].startswith(RELEASE)
        assert obj["metadata"].get("namespace") == (None if obj["kind"] in CLUSTER_SCOPED else NAMESPACE)


def test_objects_of_the_whole_cluster_differ_between_releases_of_one_name() -> None:
    names = [o["metadata"]["name"] for o in render() if o["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    assert names
    assert all(name.startswith(f"{RELEASE}-{NAMESPACE}-") for name in names)


def test_a_long_release_name_leaves_room_for_what_is_put_behind_it() -> None:
    given = json.dumps(POSTGRES)
    text = helm("template", "a" * 53, str(CHART), "--namespace", "n" * 63, given=given)
    objects = [o for o in yaml.safe_load_all(text) if o]
    assert all(len(o["metadata"]["name"]) <= 63 for o in objects if o["kind"] in ("Service", "Job", "Pod"))
    # The pods of a StatefulSet carry its name with a hash behind it in a label of at most 63 characters.
    assert all(len(o["metadata"]["name"]) <= 52 for o in objects if o["kind"] == "StatefulSet")


def test_the_chart_passes_lint() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_the_names_can_be_chosen() -> None:
    names = {o["metadata"]["name"] for o in render(fullnameOverride="bugs") if o["kind"] == "StatefulSet"}
    assert names == {"bugs-executor"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"image": {"operater": {}}}, "operater"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"image": {"operator": {"digest": "sha256:12"}}}, "digest"),
        ({"machineId": "münchen"}, "machineId"),
        ({"machineId": ""}, "machineId"),
        ({"machineId": "two\nlines"}, "machineId"),
        ({"database": {"type": "mysql"}}, "database"),
        ({"gateway": {"replicas": 0}}, "replicas"),
        ({"executor": {"replicas": 0}}, "replicas"),
        ({"executor": {"leaseSeconds": 1}}, "leaseSeconds"),
        ({"gateway": {"retentionDays": -1}}, "retentionDays"),
        ({"gateway": {"proxyTokensSecret": {"key": "../x"}}}, "proxyTokensSecret"),
        ({"bridge": {"namespaces": ["Shop"]}}, "bridge"),
        ({"bridge": {"workspaces": {"not-a-uuid": "shop"}}}, "workspaces"),
        ({"concurrencyLimit": 0}, "concurrencyLimit"),
        ({"concurrencyLimit": "4"}, "concurrencyLimit"),
        ({"startDeadlineSeconds": 0.5}, "startDeadlineSeconds"),
        ({"watchNamespaces": "shop"}, "watchNamespaces"),
        ({"watchNamespaces": ["Shop"]}, "watchNamespaces"),
        ({"networkPolicy": {"internetPorts": [70000]}}, "internetPorts"),
        ({"networkPolicy": {"privateRanges": {"ipv4": ["10.0.0.0"]}}}, "privateRanges"),
        ({"networkPolicy": {"extraEgress": [{"from": []}]}}, "extraEgress"),
        ({"agentPods": {"resources": {"limits": {"memory": "much"}}}}, "memory"),
        ({"persistence": {"whenDeleted": "Keep"}}, "whenDeleted"),
        ({"defaultAgent": {"baseURL": "http://user@host"}}, "baseURL"),
        ({"podDisruptionBudget": {"maxUnavailable": 2}}, "maxUnavailable"),
        ({"prometheusRule": {"runbooks": ""}}, "runbooks"),
        ({"tracing": {"endpoint": "collector:4318"}}, "endpoint"),
        ({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds"),
        ({"networkPolicy": {"dns": {"ports": []}}}, "ports"),
        ({"defaultAgent": {"name": ""}}, "defaultAgent"),
        ({"proxy": {"https": "proxy:3128"}}, "proxy"),
        ({"proxy": {"except": ["a,b"]}}, "except"),
        ({"caBundle": {"pem": "-----BEGIN PRIVATE KEY-----"}}, "caBundle"),
        ({"caBundle": {"pem": "-----BEGIN CERTIFICATE-----" + "x" * 50000}}, "caBundle"),
        ({"uninstall": {"runningCommands": "Kill"}}, "runningCommands"),
    ],
)
def test_a_mistaken_value_is_refused_by_name(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        render(**values)


def test_the_readmes_table_is_made_of_the_values_and_of_what_the_schema_says_of_each() -> None:
    assert (CHART / "README.md").read_text() == chart_values.written()
    assert len(chart_values.written().partition(chart_values.HEADING)[2].splitlines()) > 80


def test_a_value_that_the_schema_does_not_describe_is_named() -> None:
    schema = {"properties": {"a": {"description": "Known."}, "b": {"properties": {"c": {"type": "string"}}}}}
    with pytest.raises(chart_values.Undescribed, match=r"of b\.c, d$"):
        chart_values.table(schema, {"a": 1, "b": {"c": ""}, "d": []})
    assert "| `a` | `1` | Known. |" in chart_values.table(schema, {"a": 1})


def test_every_property_of_the_schema_has_a_default() -> None:
    """Else nobody reads of it."""

    def named(node: dict[str, Any], path: str = "") -> list[str]:
        inner = node.get("properties")
        return [leaf for k, v in inner.items() for leaf in named(v, f"{path}.{k}".lstrip("."))] if inner else [path]

    schema = json.loads((CHART / "values.schema.json").read_text())
    described = {path for path in named(schema) if path != "global"}
    assert described == {path for path, _ in chart_values.leaves(DEFAULTS)}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Helm shows notes only when it installs: a copy of the chart carries them in an object instead."""
    copy = tmp_path_factory.mktemp("chart") / "copy"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
    template = """{kind: Notes, text: {{ tpl (.Files.Get "notes.txt") . | toJson }}}"""
    (copy / "templates" / "notes.yaml").write_text(template)

    def rendered(**values: Any) -> str:
        where = ("--namespace", NAMESPACE, "--show-only", "templates/notes.yaml")
        text = helm("template", RELEASE, str(copy), *where, given=json.dumps(values))
        return str(yaml.safe_load(text)["text"])

    return rendered


def test_the_notes_say_what_comes_next(notes: Callable[..., str]) -> None:
    text = notes()
    assert f"--namespace {NAMESPACE} create secret generic anthropic --from-literal=api-key=" in text
    assert f"helm test {RELEASE} --namespace {NAMESPACE}" in text
    manifests = [yaml.safe_load(block) for block in re.findall(r"<<EOF\n(.*?)\n *EOF", text, flags=re.DOTALL)]
    assert [m["kind"] for m in manifests] == ["Repository", "BugCommand"]


def test_the_notes_say_what_uninstalling_leaves(notes: Callable[..., str]) -> None:
    assert "leaves the CRDs" in notes()
    assert f"delete persistentvolumeclaim data-{RELEASE}-executor-0" in notes()
    text = notes(crds={"keep": False}, persistence={"whenDeleted": "Delete"})
    assert "leaves no CRDs" in text
    assert "persistentvolumeclaim" not in text


def test_the_notes_say_what_uninstalling_does_about_commands_in_progress(notes: Callable[..., str]) -> None:
    assert "go on without an operator" in notes()
    assert "refuses while commands are in progress" in notes(uninstall={"runningCommands": "Refuse"})
    assert "in progress" not in notes(uninstall={"hook": False})


def test_the_notes_tell_of_the_database_and_of_the_gateways_own_pods(notes: Callable[..., str]) -> None:
    text = notes(**POSTGRES)
    assert f"rollout status deployment/{RELEASE}-gateway" in text
    assert "persistentvolumeclaim" not in text
    assert "the database with the logs" in text
    assert f"deployment/{RELEASE}-gateway" not in notes()


def test_the_notes_warn_when_agents_are_not_fenced_in(notes: Callable[..., str]) -> None:
    assert "can reach anything" in notes(networkPolicy={"enabled": False})
    assert "can reach anything" not in notes()


def test_versions_of_chart_and_package_are_one() -> None:
    chart: Manifest = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = re.search(r'^version = "(.+)"$', (CHART.parents[1] / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert package is not None
    assert chart["apiVersion"] == "v2"
    assert chart["appVersion"] == chart["version"] == package[1]
