"""What becomes of a pod or volume whose command may be gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import AGENT, NAMESPACE, NOW, OTHER_UID, REPOSITORY, UID, command, working
from tests.support.cluster_model import stamp
from tests.support.operator_process import INSTALL

from bugcommand_operator.api.names import LABEL_KEPT
from bugcommand_operator.core.sweeping import GRACE, Child, Verdict, pod_child, told_of, verdict_on, volume_child
from bugcommand_operator.manifests.agent_pod import agent_pod
from bugcommand_operator.manifests.parts import owner
from bugcommand_operator.manifests.publish_pod import publish_pod, rescue_pod
from bugcommand_operator.manifests.ship_pod import ship_pod
from bugcommand_operator.manifests.volumes import checkout_volume, mirror_volume, worktree_volume

Raw = dict[str, Any]
BUG = command(working())
OLD, YOUNG = GRACE, GRACE - timedelta(seconds=1)
BOUND: Raw = {"status": {"phase": "Bound"}}
PENDING: Raw = {"status": {"phase": "Pending"}}
OWNED: Raw = {"ownerReferences": [owner(BUG)]}


def stored(manifest: Raw, age: timedelta = OLD, status: Raw | None = None, **meta: Any) -> Raw:
    made = {"uid": "uid-of-it", "resourceVersion": "12", "creationTimestamp": stamp(NOW - age)}
    return {**manifest, "metadata": {**manifest["metadata"], **made, **meta}, **(status or {})}


def pod(age: timedelta = OLD, **meta: Any) -> Child | None:
    return pod_child(stored(agent_pod(BUG, REPOSITORY, AGENT, INSTALL), age, **meta))


def volume(status: Raw = BOUND, age: timedelta = OLD, *, kept: bool = False, **meta: Any) -> Child | None:
    manifest = worktree_volume(BUG, REPOSITORY)
    labels = {**manifest["metadata"]["labels"], **({LABEL_KEPT: "true"} if kept else {})}
    return volume_child(stored(manifest, age, status, **{"labels": labels, **meta}))


GONE = frozenset({OTHER_UID})
"""All that there is: commands of other UIDs."""
ALIVE = GONE | {UID}
CASES: dict[str, tuple[Child | None, frozenset[str], Verdict]] = {
    "a pod whose command is there is left": (pod(), ALIVE, Verdict.LEAVE),
    "a pod whose command is gone is deleted": (pod(), GONE, Verdict.DELETE),
    "another command of that name does not make it its own": (pod(), GONE, Verdict.DELETE),
    "a pod that is young may be somebody's business": (pod(YOUNG), GONE, Verdict.LEAVE),
    "a pod on its way out is left": (pod(deletionTimestamp=stamp(NOW)), GONE, Verdict.LEAVE),
    "a volume whose command is there is left": (volume(), ALIVE, Verdict.LEAVE),
    "a volume that nobody knows anything of is kept": (volume(), GONE, Verdict.KEEP),
    "a volume that is young is left": (volume(age=YOUNG), GONE, Verdict.LEAVE),
    "a volume that is kept already is left": (volume(kept=True), GONE, Verdict.LEAVE),
    "a volume on its way out is left": (volume(deletionTimestamp=stamp(NOW)), GONE, Verdict.LEAVE),
    "a volume that was its command's was safe, and is deleted": (volume(**OWNED), GONE, Verdict.DELETE),
    "a kept volume stays, whosever it was": (volume(kept=True, **OWNED), GONE, Verdict.LEAVE),
    "a volume of another owner is kept": (
        volume(ownerReferences=[{**owner(BUG), "uid": OTHER_UID}]),
        GONE,
        Verdict.KEEP,
    ),
    "a volume that was never bound holds nothing, and is deleted": (volume(PENDING), GONE, Verdict.DELETE),
    "a volume that lost its storage may be repaired, and is kept": (
        volume({"status": {"phase": "Lost"}}),
        GONE,
        Verdict.KEEP,
    ),
    "a volume that is being bound is kept": (
        volume({**PENDING, "spec": {"volumeName": "pv-1"}}),
        GONE,
        Verdict.KEEP,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_it(name: str) -> None:
    child, living, verdict = CASES[name]
    assert child is not None
    assert verdict_on(child, living, NOW) is verdict


def labelled(manifest: Raw, **labels: str) -> Raw:
    return {"labels": {**manifest["metadata"]["labels"], **labels}}


@pytest.mark.parametrize("build", [publish_pod, rescue_pod])
def test_all_pods_of_a_command_are_known_as_its_own(build: Any) -> None:
    made = [build(BUG, REPOSITORY, INSTALL), ship_pod(BUG, INSTALL), agent_pod(BUG, REPOSITORY, AGENT, INSTALL)]
    assert [c.command_uid for m in made if (c := pod_child(stored(m)))] == [UID] * 3


def test_what_only_looks_like_ours_is_nobody_s_business() -> None:
    manifest = agent_pod(BUG, REPOSITORY, AGENT, INSTALL)
    assert pod(name="a-copy-by-hand") is None
    assert pod(ownerReferences=[{**owner(BUG), "uid": OTHER_UID}]) is None
    assert pod(**labelled(manifest, **{"mentu.dev/role": "other"})) is None
    assert pod(labels={}) is None
    assert volume(name="a-copy-by-hand") is None
    assert volume(labels={}) is None


def test_what_belongs_to_a_repository_goes_with_it_and_is_not_looked_at() -> None:
    assert volume_child(stored(mirror_volume(NAMESPACE, "shop", REPOSITORY))) is None
    assert volume_child(stored(checkout_volume(BUG, REPOSITORY))) is None


def test_a_person_is_told_what_was_kept_and_what_to_do() -> None:
    child = volume()
    assert child is not None
    event = told_of(child, Verdict.KEEP)

    assert (event.reason, event.type) == ("LeakedVolumeKept", "Warning")
    assert all(words in event.message for words in ("fix-login-worktree", UID, "mentu.dev/kept=true", "delete it"))
    assert told_of(child, Verdict.DELETE).type == "Normal"
