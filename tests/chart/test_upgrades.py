"""From the release before to this one: what Kubernetes lets nobody change stays, and an older release's values will do.

`previous/` holds that release's values.yaml and what could not be changed of its objects. Both are written anew when a
version is released, not before: `make golden` leaves them alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    POSTGRES,
    RELEASE,
    Manifest,
    environment,
    helm,
    of_kind,
    render,
)

PREVIOUS = Path(__file__).parent / "previous"
FIXED: dict[str, tuple[str, ...]] = {
    "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"),
    "Deployment": ("selector",),
    "Service": ("clusterIP",),
    "ClusterRoleBinding": ("roleRef",),
    "RoleBinding": ("roleRef",),
}
CASES: dict[str, dict[str, Any]] = {
    "sqlite": {},
    "postgres": POSTGRES,
    "namespaced": {"watchNamespaces": ["a"]},
    "bridge": {"bridge": {"enabled": True}},
}


def fixed(objects: list[Manifest]) -> dict[str, Any]:
    """By kind and name: the fields that no upgrade can change."""
    found = {}
    for obj in objects:
        fields = FIXED.get(obj["kind"], ())
        held = {f: part[f] for f in fields for part in (obj, obj.get("spec") or {}) if f in part}
        if held:
            found["/".join((obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))] = held
    return found


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `helm upgrade --reuse-values` renders: these templates, the older release's defaults in place of ours."""
    copy = tmp_path_factory.mktemp("chart") / "copy"
    shutil.copytree(CHART, copy)
    shutil.copy(PREVIOUS / "values.yaml", copy / "values.yaml")
    return copy


@pytest.mark.parametrize("case", sorted(CASES))
def test_an_upgrade_changes_nothing_that_kubernetes_keeps_as_it_is(case: str) -> None:
    before, now = json.loads((PREVIOUS / "fixed.json").read_text())[case], fixed(render(**CASES[case]))
    assert before
    assert {name: now[name] for name in before if name in now} == before


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_values_of_the_release_before_are_enough(reused: Path, case: str) -> None:
    text = helm("template", RELEASE, str(reused), "--namespace", NAMESPACE, given=json.dumps(CASES[case]))
    objects = [o for o in yaml.safe_load_all(text) if o is not None]
    names = {(o["kind"], o["metadata"]["name"]) for o in objects}
    assert names == {(o["kind"], o["metadata"]["name"]) for o in render(**CASES[case])}
    assert "<nil>" not in text


def test_what_the_release_before_had_no_value_for_is_as_in_a_new_one(reused: Path) -> None:
    text = helm("template", RELEASE, str(reused), "--namespace", NAMESPACE)
    before, now = [o for o in yaml.safe_load_all(text) if o is not None], render()
    told, wanted = environment("executor", before), environment("executor", now)
    given = {"MENTU_NETWORK_POLICY"}  # made of ranges that those values name
    assert told.items() - wanted.items() <= {(name, told[name]) for name in given}
    assert [o["spec"]["replicas"] for o in of_kind("StatefulSet", before)] == [1]


def test_an_upgrade_brings_the_definitions_and_a_hook_does_not_touch_them() -> None:
    """Helm never upgrades what is in a folder named crds/, and a hook would delete first."""
    assert not (CHART / "crds").exists()
    kinds = [o["kind"] for o in render() if "helm.sh/hook" in (o["metadata"].get("annotations") or {})]
    assert "CustomResourceDefinition" not in kinds
