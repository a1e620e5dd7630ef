from __future__ import annotations

import kopf

from bugcommand_operator.executor.kopf_storage import keep_nothing
from bugcommand_operator.executor.main import kopf_settings

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "annotations": {"a": "b"}}, "spec": {"c": [1]}}


def test_kopf_copies_nothing_of_an_object_and_finds_nothing_it_has_kept() -> None:
    settings = kopf.OperatorSettings()
    keep_nothing(settings)
    body = kopf.Body(POD)  # type: ignore[arg-type]
    essence = settings.persistence.diffbase_storage.build(body=body, extra_fields=["spec.c"])
    assert dict(essence) == {}
    assert settings.persistence.progress_storage.clear(essence=essence) is essence
    assert settings.persistence.diffbase_storage.fetch(body=body) is None


def test_kopf_leaves_no_annotation_and_no_status_behind() -> None:
    settings = kopf.OperatorSettings()
    keep_nothing(settings)
    body, patch = kopf.Body(POD), kopf.Patch()  # type: ignore[arg-type]
    settings.persistence.diffbase_storage.store(body=body, patch=patch, essence=kopf.BodyEssence())
    settings.persistence.progress_storage.touch(body=body, patch=patch, value="now")
    assert not patch


def test_others_pods_and_volumes_stay_at_the_api_server() -> None:
    selectors = kopf_settings(70).watching.label_selectors

    for kind in ("pods", "persistentvolumeclaims"):
        assert selectors["v1", kind] == "app.kubernetes.io/managed-by=mentu-operator"
