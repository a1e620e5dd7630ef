"""The chart's definitions are the generated ones, upgrade with the release and outlive it unless told otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.chart.rendering import RELEASE, TOP, Manifest, of_kind, render

GENERATED: dict[str, Manifest] = {p.stem: yaml.safe_load(p.read_text()) for p in (TOP / "crds").glob("*.yaml")}


def crds(**values: Any) -> dict[str, Manifest]:
    return {o["metadata"]["name"]: o for o in of_kind("CustomResourceDefinition", render(**values))}


def test_all_generated_definitions_are_in_the_release() -> None:
    assert set(crds()) == set(GENERATED)
    assert {"agents.mentu.dev", "bugcommands.mentu.dev", "repositories.mentu.dev"} <= set(GENERATED)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_definition_is_rendered_as_it_was_generated(name: str) -> None:
    assert crds()[name]["spec"] == GENERATED[name]["spec"]


def test_definitions_stay_when_the_release_goes_unless_told_otherwise() -> None:
    keep = {"helm.sh/resource-policy": "keep"}
    assert all(c["metadata"]["annotations"] == keep for c in crds().values())
    assert all("annotations" not in c["metadata"] for c in crds(crds={"keep": False}).values())


def test_definitions_are_part_of_the_release_and_no_hook() -> None:
    """A hook would delete them, and all objects with them, before it made them anew."""
    for crd in crds().values():
        assert "helm.sh/hook" not in crd["metadata"].get("annotations", {})
        assert crd["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE


def test_definitions_can_be_left_to_others() -> None:
    assert crds(crds={"enabled": False}) == {}
