"""Before the release goes: a Job that understands what it is told, with the rights that it uses, bounded in time."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.rendering import NAMESPACE, RELEASE, Manifest, executor_pod, of_kind, one, pod_of, render
from tests.chart.test_rbac import granted_to

from bugcommand_operator.uninstall.main import Settings

NAME = f"{RELEASE}-uninstall"
IN_NAMESPACES = {("mentu.dev", "bugcommands"): {"list", "patch"}, ("", "persistentvolumeclaims"): {"get", "patch"}}
BESIDE_IT = {("apps", "statefulsets/scale"): {"get", "patch"}, ("", "pods"): {"list"}}


def job(**values: Any) -> Manifest:
    return one("Job", NAME, render(**values))


def settings_of(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Settings:
    (container,) = pod_of(job(**values))["spec"]["containers"]
    known = {f"MENTU_{field.upper()}" for field in Settings.model_fields}
    assert {e["name"] for e in container["env"]} == known
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"].replace("$$", "$"))
    return Settings()


def test_the_job_is_told_whose_executor_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, objects = settings_of(monkeypatch), render()
    stateful_set = one("StatefulSet", settings.stateful_set, objects)
    assert stateful_set["metadata"]["namespace"] == settings.release_namespace == NAMESPACE
    selector = dict(pair.split("=") for pair in settings.executor_selector.split(","))
    assert selector == stateful_set["spec"]["selector"]["matchLabels"]
    assert selector.items() <= executor_pod(objects)["metadata"]["labels"].items()


def test_the_job_is_told_whose_commands_it_looks_after(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = settings_of(monkeypatch, machineId="site-2", watchNamespaces=["a", "b"]).wanted()
    assert (wanted.machine, wanted.namespaces, wanted.refuses) == ("site-2", ("a", "b"), False)
    assert settings_of(monkeypatch, uninstall={"runningCommands": "Refuse"}).wanted().refuses


@pytest.mark.parametrize(("values", "where"), [({}, [""]), ({"watchNamespaces": ["a", "b"]}, ["a", "b"])])
def test_it_has_the_rights_that_it_uses_and_no_others(values: dict[str, Any], where: list[str]) -> None:
    objects = render(**values)
    account = pod_of(one("Job", NAME, objects))["spec"]["serviceAccountName"]
    assert granted_to(account, objects) == {**dict.fromkeys(where, IN_NAMESPACES), NAMESPACE: BESIDE_IT}
    role = one("Role", f"{RELEASE}-{NAMESPACE}-uninstall-executor", objects)
    assert [r.get("resourceNames") for r in role["rules"]] == [[f"{RELEASE}-executor"], None]


def test_a_release_that_works_in_its_own_namespace_has_both_rights_there() -> None:
    objects = render(watchNamespaces=[NAMESPACE])
    assert granted_to(NAME, objects) == {NAMESPACE: {**IN_NAMESPACES, **BESIDE_IT}}


def test_the_job_ends_before_helm_stops_waiting_and_refuses_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = job()["spec"]
    assert settings_of(monkeypatch).uninstall_seconds < spec["activeDeadlineSeconds"] < 300
    assert spec["backoffLimit"] == 0
    assert spec["ttlSecondsAfterFinished"] > 0


def test_what_it_says_is_shown_and_a_refusal_stays_to_be_read() -> None:
    annotations = job()["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    assert annotations["helm.sh/hook-output-log-policy"] == "hook-succeeded,hook-failed"


def test_its_account_is_of_the_release_since_hooks_of_a_deletion_find_the_release_in_place() -> None:
    for kind in ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        for obj in of_kind(kind, render()):
            assert "helm.sh/hook" not in obj["metadata"].get("annotations", {})


def test_the_hook_can_be_left_out() -> None:
    names = [o["metadata"]["name"] for o in render(uninstall={"hook": False})]
    assert not [name for name in names if "uninstall" in name]
