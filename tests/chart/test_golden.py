"""Whole renderings, compared with those that were looked at before: what a change does to objects shows in its diff.

`make golden` writes them anew. The CRDs are left out: they are generated, and compared elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import HELM_3, HELM_4, Manifest, rendered_by

FOLDER = Path(__file__).parent / "golden"
CASES: dict[str, dict[str, Any]] = {
    path.name.removesuffix(".values.yaml"): yaml.safe_load(path.read_text()) or {}
    for path in sorted(FOLDER.glob("*.values.yaml"))
}


def without_files(obj: Manifest) -> Manifest:
    """Programs that the chart carries are files of their own, which a change of them shows."""
    if obj["kind"] == "ConfigMap":
        obj = {**obj, "data": {k: v for k, v in obj["data"].items() if not k.endswith(".py")}}
    if obj["metadata"]["labels"].get("app.kubernetes.io/component") == "test":
        containers = [{**c, "command": [*c["command"][:-1], "(check.py)"]} for c in obj["spec"]["containers"]]
        obj = {**obj, "spec": {**obj["spec"], "containers": containers}}
    return obj


def shown(values: dict[str, Any], program: str = HELM_3) -> str:
    objects = [without_files(o) for o in rendered_by(program, values) if o["kind"] != "CustomResourceDefinition"]
    objects.sort(key=lambda o: (o["kind"], o["metadata"]["name"], o["metadata"].get("namespace", "")))
    return yaml.safe_dump_all(objects, sort_keys=True, width=120)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_rendering_is_the_one_that_was_looked_at(name: str) -> None:
    path, now = FOLDER / f"{name}.yaml", shown(CASES[name])
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(now)
    assert path.exists(), "`make golden` writes it"
    assert now == path.read_text(), "look at the difference; `make golden` takes it over"


@pytest.mark.parametrize("name", sorted(CASES))
def test_helm_4_renders_the_same(name: str) -> None:
    assert shown(CASES[name], HELM_4) == (FOLDER / f"{name}.yaml").read_text()


def test_every_rendering_belongs_to_values() -> None:
    assert CASES
    assert {p.name for p in FOLDER.iterdir()} == {f"{n}{end}" for n in CASES for end in (".yaml", ".values.yaml")}
