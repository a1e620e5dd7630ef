"""What the chart writes into the environment is what the programs read from it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pytest
from tests.chart.rendering import (
    NAMESPACE,
    POSTGRES,
    RELEASE,
    container_of,
    environment,
    executor_pod,
    gateway_pod,
    one,
    render,
)

from bugcommand_operator.core.settings import Limits
from bugcommand_operator.core.sweeping import GRACE
from bugcommand_operator.executor.config import Config
from bugcommand_operator.gateway.settings import GatewaySettings
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.store.engine import sqlite_path


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MENTU_")]:
        monkeypatch.delenv(name)


def config_of(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Config:
    for name, value in environment("executor", render(**values)).items():
        monkeypatch.setenv(name, value)
    return Config()


WORKSPACE = "0b7f3d4e-93a1-4c36-9a53-5f4a2f7d0c11"
BUILT_IN = Install("", "")
EVERYTHING: dict[str, Any] = {
    "executorId": "bridge-one",
    "bridge": {"enabled": True},
    "gateway": {"proxyTokensSecret": {"name": "tokens"}},
}


@pytest.mark.parametrize(("container", "settings"), [("executor", Config), ("gateway", GatewaySettings)])
@pytest.mark.parametrize("database", [{}, POSTGRES["database"]])
def test_every_variable_is_one_that_the_program_reads(container: str, settings: Any, database: dict[str, Any]) -> None:
    known = {f"MENTU_{name.upper()}" for name in settings.model_fields}
    names = [e["name"] for e in container_of(container, render(**EVERYTHING, database=database))["env"]]
    assert set(names) <= known
    assert len(set(names)) == len(names)


def test_the_executor_understands_the_default_values(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(monkeypatch)
    assert config.namespaces == []
    assert (config.machine_id, config.workspace_id) == ("default", "default")
    assert (config.operator_image, config.agent_image) == ("mentu-operator:0.1.0", "mentu-agent:0.1.0")
    assert config.limits() == Limits()
    assert config.network_policy is not None
    for field in ("agent_resources", "preparation_resources", "scratch_limit", "drain_seconds"):
        assert getattr(config.install(), field) == getattr(BUILT_IN, field), field


def test_the_executor_gets_every_value_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(
        monkeypatch,
        executorId="bridge-one",
        machineId="site-2",
        workspaceId="shop",
        watchNamespaces=["a", "b"],
        concurrencyLimit=1000,
        machineLimit=200,
        namespaceLimit=30,
        ageingSeconds=0,
        startDeadlineSeconds=11,
        publishDeadlineSeconds=12,
        rescueDeadlineSeconds=13,
        overdueSeconds=0,
        drainSeconds=14,
        imagePullSecrets=["one", "two"],
        agentPods={
            "resources": {"limits": {"memory": "9Gi"}},
            "preparationResources": {"limits": {"cpu": 2}},
            "scratchLimit": "1Gi",
        },
        log={"format": "console", "level": "DEBUG"},
    )
    assert (config.executor_id, config.machine_id, config.workspace_id) == ("bridge-one", "site-2", "shop")
    assert config.namespaces == ["a", "b"]
    assert config.concurrency_limit == 1000
    limits = config.limits()
    assert (limits.machine, limits.namespace, limits.ageing) == (200, 30, timedelta(0))
    assert (config.start_deadline_seconds, config.publish_deadline_seconds) == (11, 12)
    assert (config.rescue_deadline_seconds, config.overdue_seconds) == (13, 0)
    assert config.image_pull_secrets == ["one", "two"]
    assert (config.drain_seconds, config.scratch_limit) == (14, "1Gi")
    assert config.agent_resources is not None
    assert config.agent_resources["limits"] == {**BUILT_IN.agent_resources["limits"], "memory": "9Gi"}
    assert config.agent_resources["requests"] == BUILT_IN.agent_resources["requests"]
    assert config.preparation_resources is not None
    assert config.preparation_resources["limits"] == {**BUILT_IN.preparation_resources["limits"], "cpu": 2}
    assert (config.log_format, config.log_level) == ("console", "DEBUG")


def test_an_executor_is_told_where_it_is_registered_and_which_pod_it_is() -> None:
    env = container_of("executor", render())["env"]
    assert {
        e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in env if "fieldRef" in e.get("valueFrom", {})
    } == {
        "MENTU_REGISTRY_NAMESPACE": "metadata.namespace",
        "MENTU_POD_NAME": "metadata.name",
        "MENTU_POD_UID": "metadata.uid",
    }


def test_solo_and_the_lease_time_reach_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_of(monkeypatch).solo is False
    config = config_of(monkeypatch, executor={"solo": True, "leaseSeconds": 30})
    assert (config.solo, config.lease_seconds) == (True, 30)


def test_how_often_is_swept_and_what_is_old_enough_reach_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, built_in = config_of(monkeypatch), Config()
    assert usual.sweep_every_seconds == built_in.sweep_every_seconds
    assert usual.sweep_grace() == GRACE == built_in.sweep_grace()
    config = config_of(monkeypatch, executor={"sweep": {"everySeconds": 2, "graceSeconds": 5}})
    assert (config.sweep_every_seconds, config.sweep_grace()) == (2, timedelta(seconds=5))


def test_without_an_executor_id_it_is_the_pods_stable_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MENTU_EXECUTOR_ID" not in environment("executor", render())
    monkeypatch.setattr("socket.gethostname", lambda: f"{RELEASE}-executor-0")
    assert config_of(monkeypatch).executor_id == f"bridge-{RELEASE}-executor-0"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"registry": "localhost", "operator": {"tag": "dev"}}, "localhost/mentu-operator:dev"),
        ({"registry": "r.example/team/", "operator": {"repository": "op"}}, "r.example/team/op:0.1.0"),
        ({"operator": {"tag": "dev", "digest": f"sha256:{'a' * 64}"}}, f"mentu-operator@sha256:{'a' * 64}"),
    ],
)
def test_an_image_is_named_by_registry_repository_and_digest_or_tag(image: dict[str, Any], expected: str) -> None:
    objects = render(image=image)
    assert environment("executor", objects)["MENTU_OPERATOR_IMAGE"] == expected
    assert {c["image"] for c in executor_pod(objects)["spec"]["containers"]} == {expected}


def test_a_dollar_in_a_value_reaches_the_executor_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_of(monkeypatch, workspaceId="$(HOME)$$").workspace_id == "$(HOME)$$"
    raw = executor_pod(render(workspaceId="$(HOME)$$"))["spec"]["containers"][0]["env"]
    assert next(e["value"] for e in raw if e["name"] == "MENTU_WORKSPACE_ID") == "$$(HOME)$$$$"


def test_agents_are_told_the_address_of_the_gateways_service() -> None:
    objects = render()
    service = one("Service", f"{RELEASE}-gateway", objects)
    port = service["spec"]["ports"][0]["port"]
    address = f"http://{service['metadata']['name']}.{NAMESPACE}.svc:{port}"
    assert environment("executor", objects)["MENTU_INTAKE_URL"] == address


def test_executor_and_gateway_share_one_database_on_the_mounted_volume() -> None:
    objects = render()
    urls = {environment(name, objects)["MENTU_DATABASE_URL"] for name in ("executor", "gateway")}
    assert len(urls) == 1
    path = sqlite_path(urls.pop())
    assert path is not None
    for container in executor_pod(objects)["spec"]["containers"]:
        mounted = next(m for m in container["volumeMounts"] if m["mountPath"] == str(path.parent))
        assert (mounted["name"], mounted.get("readOnly", False)) == ("data", False)


def test_with_postgres_all_three_get_the_url_from_the_secret_and_nothing_of_sqlite() -> None:
    objects = render(database={"type": "postgres", "urlSecret": {"name": "logs-database", "key": "dsn"}})
    migration = one("Job", f"{RELEASE}-migration", objects)["spec"]["template"]["spec"]["containers"][0]
    for container in (container_of("executor", objects), container_of("gateway", objects), migration):
        env = {e["name"]: e for e in container["env"]}
        secret = {"secretKeyRef": {"name": "logs-database", "key": "dsn"}}
        assert env["MENTU_DATABASE_URL"] == {"name": "MENTU_DATABASE_URL", "valueFrom": secret}
        assert "MENTU_SQLITE_SYNCHRONOUS" not in env


def test_the_gateway_gets_every_value_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render(
        watchNamespaces=["a", "b"],
        gateway={"retentionDays": 400, "attemptBytes": 1 << 40},
        machineId="site-2",
        bridge={"enabled": True, "namespaces": ["b"], "workspaces": {WORKSPACE: "b"}, "defaultNamespace": "b"},
    )
    for name, value in environment("gateway", objects).items():
        monkeypatch.setenv(name, value)
    understood = GatewaySettings().model_dump()
    wanted = {
        "namespaces": ["a", "b"],
        "retention_days": 400,
        "attempt_bytes": 1 << 40,
        "machine_id": "site-2",
        "bridge_enabled": True,
        "bridge_namespaces": ["b"],
        "bridge_workspaces": {WORKSPACE: "b"},
        "bridge_default_namespace": "b",
    }
    assert wanted.items() <= understood.items()


def test_the_gateway_understands_the_default_values(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("gateway", render()).items():
        monkeypatch.setenv(name, value)
    settings, defaults = GatewaySettings(), GatewaySettings.model_fields
    assert (settings.bridge_enabled, settings.namespaces) == (False, [])
    for name in ("retention_days", "attempt_bytes", "sqlite_synchronous", "port"):
        assert getattr(settings, name) == defaults[name].default, name
    assert settings.machine_id == Config().machine_id


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_proxy_tokens_are_mounted_where_the_gateway_is_told_that_they_are(values: dict[str, Any]) -> None:
    gateway = {**values.get("gateway", {}), "proxyTokensSecret": {"name": "tokens", "key": "list.yaml"}}
    objects = render(**{**values, "gateway": gateway})
    container = container_of("gateway", objects)
    path = environment("gateway", objects)["MENTU_PROXY_TOKENS_FILE"]
    (mount,) = (m for m in container["volumeMounts"] if path == f"{m['mountPath']}/list.yaml")
    # A subPath would never show a Secret that has changed.
    assert (mount["readOnly"], "subPath" in mount) == (True, False)
    volumes = {v["name"]: v for v in gateway_pod(objects)["spec"]["volumes"]}
    assert volumes[mount["name"]]["secret"]["secretName"] == "tokens"
    assert "MENTU_PROXY_TOKENS_FILE" not in environment("gateway", render(**values))
    assert mount["name"] not in {m["name"] for m in container_of("executor", objects)["volumeMounts"]}


def test_no_service_can_put_variables_into_a_pods_environment() -> None:
    # A Service named `mentu` would be MENTU_PORT, which the gateway reads as its own setting.
    assert executor_pod(render())["spec"]["enableServiceLinks"] is False


def test_extra_variables_are_added_to_the_container_they_are_for() -> None:
    extra = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
    objects = render(executor={"extraEnv": [extra]})
    assert environment("executor", objects)["HTTPS_PROXY"] == "http://proxy:3128"
    assert "HTTPS_PROXY" not in environment("gateway", objects)


def test_the_network_policy_is_one_line_of_json_in_the_executors_environment() -> None:
    policy = json.loads(environment("executor", render())["MENTU_NETWORK_POLICY"])
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "podSelector" not in policy
