"""The way to the world outside: a proxy and certificates, for command pods and for the chart's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.chart.rendering import (
    NAMESPACE,
    POSTGRES,
    RELEASE,
    Manifest,
    container_of,
    environment,
    executor_pod,
    gateway_pod,
    of_kind,
    one,
    pod_of,
    render,
)

from bugcommand_operator.cluster.client import environment_proxy
from bugcommand_operator.executor.config import MAX_CA_BUNDLE, Config

PEM = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
PROXY = {"https": "http://proxy.example.com:3128", "except": ["git.example.com"]}
API_SERVER = "10.96.0.1"


def config_of(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Config:
    for name, value in environment("executor", render(**values)).items():
        if name.startswith("MENTU_") and name != "MENTU_CA_BUNDLE_FILE":
            monkeypatch.setenv(name, value)
    return Config()


def test_command_pods_are_told_of_the_proxy_and_of_what_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    told = config_of(monkeypatch, proxy=PROXY).install().proxy
    assert told["HTTPS_PROXY"] == PROXY["https"]
    assert "HTTP_PROXY" not in told
    assert told["NO_PROXY"].split(",") == [
        "localhost",
        "127.0.0.1",
        "::1",
        ".svc",
        ".svc.cluster.local",
        "git.example.com",
    ]


def test_without_a_proxy_nothing_is_said_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_of(monkeypatch, proxy={"except": ["x"]}).install().proxy == {}
    assert not [name for name in environment("executor", render()) if "PROXY" in name]


@pytest.mark.parametrize("container", ["executor", "gateway"])
@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_the_api_server_is_not_asked_by_way_of_the_proxy(
    monkeypatch: pytest.MonkeyPatch, container: str, values: Manifest
) -> None:
    env = {e["name"]: e.get("value", "") for e in container_of(container, render(proxy=PROXY, **values))["env"]}
    for name in ("HTTPS_PROXY", "NO_PROXY"):  # as the kubelet expands it
        monkeypatch.setenv(name, env[name].replace("$(KUBERNETES_SERVICE_HOST)", API_SERVER))
    assert environment_proxy(f"https://{API_SERVER}:443") is None
    assert environment_proxy("https://kubernetes.default.svc") is None
    assert environment_proxy("https://git.example.com") is None
    assert environment_proxy("https://forge.example.com") == PROXY["https"]


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_certificates_are_mounted_where_the_executor_is_told_that_they_are(values: Manifest) -> None:
    objects = render(caBundle={"pem": PEM}, **values)
    assert one("ConfigMap", f"{RELEASE}-ca", objects)["data"] == {"ca.crt": PEM}
    path = Path(environment("executor", objects)["MENTU_CA_BUNDLE_FILE"])
    for name, pod in (("executor", executor_pod(objects)), ("gateway", gateway_pod(objects))):
        (mount,) = (m for m in container_of(name, objects)["volumeMounts"] if m["mountPath"] == str(path.parent))
        volume = next(v for v in pod["spec"]["volumes"] if v["name"] == mount["name"])
        assert volume["configMap"] == {"name": f"{RELEASE}-ca", "items": [{"key": "ca.crt", "path": path.name}]}
    assert not [o for o in of_kind("ConfigMap", render()) if o["metadata"]["name"].endswith("-ca")]


def test_pods_are_made_anew_when_certificates_change() -> None:
    def annotations(**values: Any) -> list[Manifest]:
        objects = render(**values, **POSTGRES)
        return [pod["metadata"]["annotations"] for pod in (executor_pod(objects), gateway_pod(objects))]

    assert all(a != b for a, b in zip(annotations(caBundle={"pem": PEM}), annotations(), strict=True))


def test_the_migration_has_them_before_anything_of_the_release_is_there() -> None:
    objects = render(caBundle={"pem": PEM}, **POSTGRES)
    (volume,) = (v for v in pod_of(one("Job", f"{RELEASE}-migration", objects))["spec"]["volumes"] if v["name"] == "ca")
    config = one("ConfigMap", volume["configMap"]["name"], objects)
    hooks = [o["metadata"]["annotations"] for o in (config, one("Job", f"{RELEASE}-migration", objects))]
    assert hooks[0]["helm.sh/hook"] == hooks[1]["helm.sh/hook"]
    assert int(hooks[0]["helm.sh/hook-weight"]) < int(hooks[1]["helm.sh/hook-weight"])


def test_a_config_map_of_ones_own_is_used_and_none_is_made() -> None:
    objects = render(caBundle={"configMap": {"name": "company", "key": "bundle.pem"}}, **POSTGRES)
    assert {o["metadata"]["name"] for o in of_kind("ConfigMap", objects)} == {f"{RELEASE}-default-agent"}
    for pod in (executor_pod(objects), gateway_pod(objects), pod_of(one("Job", f"{RELEASE}-migration", objects))):
        (volume,) = (v for v in pod["spec"]["volumes"] if v["name"] == "ca")
        assert volume["configMap"] == {"name": "company", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
    assert one("StatefulSet", f"{RELEASE}-executor", objects)["metadata"]["namespace"] == NAMESPACE


@pytest.mark.parametrize("text", ["not a certificate", PEM + "x" * MAX_CA_BUNDLE])
def test_the_executor_does_not_start_with_what_is_no_bundle(tmp_path: Path, text: str) -> None:
    (tmp_path / "ca.crt").write_text(text)
    with pytest.raises(ValueError, match="not a PEM bundle of at most"):
        Config(ca_bundle_file=str(tmp_path / "ca.crt")).install()


def test_the_executor_reads_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(PEM)
    assert Config(ca_bundle_file=str(tmp_path / "ca.crt")).install().ca_bundle == PEM.strip()
