"""An executor that was stopped, and whose command is another's by now, makes and deletes nothing more for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import LIMITS, NAME, NAMESPACE, OTHER_UID, UID, observed
from tests.support.cluster_model import Call, ClusterModel
from tests.support.operator_process import OperatorProcess, populated
from tests.unit.executor.registering import SYSTEM, Site

from bugcommand_operator.cluster.errors import ClusterUnavailable, Conflict
from bugcommand_operator.core.plan import DeleteVolume, OwnVolume
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor.act import Actor
from bugcommand_operator.executor.fence import Fence
from bugcommand_operator.executor.lease import CannotRun
from bugcommand_operator.executor.reconcile import Reconciler
from bugcommand_operator.executor.registry import Registry

KEY = (NAMESPACE, NAME)
CLAIM = {"executor": "bridge-a", "machine": "site-1", "epoch": 1, "at": "2026-03-01T12:00:00Z"}


class Fenced:
    """One executor with a registry, deaf to what the others do until it is told."""

    def __init__(self, site: Site, registry: Registry) -> None:
        self.site = site
        self.registry = registry
        identity = Identity(registry.entry.spec.instance_id, "site-1")
        self.process = OperatorProcess(site.cluster, identity, hears=False)
        world, kube = self.process.world, self.process.kube
        world.registry = registry.executors
        self.fence = Fence(kube, world, registry)
        actor = Actor(kube, world, self.process.install, self.fence.confirm)
        self.process.reconciler = Reconciler(
            kube, world, actor, self.process.told, identity, LIMITS, self.process.turns
        )

    async def confirm(self) -> None:
        await self.fence.confirm(self.process.world.commands.items[KEY])

    def calls(self, kind: str) -> list[str]:
        return [c.verb for c in self.site.cluster.calls if c.kind == kind]


@pytest.fixture
async def fenced(monkeypatch: pytest.MonkeyPatch) -> Fenced:
    site = Site(populated(ClusterModel()))
    site.cluster.patch("BugCommand", NAMESPACE, NAME, {"status": {"claim": CLAIM, "attempt": 1}}, status=True)
    made = Fenced(site, await site.joined("bridge-a"))
    await made.process.start()
    site.cluster.calls.clear()
    return made


def taken_over(fenced: Fenced, **claim: Any) -> None:
    body = {"status": {"claim": {**CLAIM, "executor": "bridge-b", "epoch": 2, **claim}}}
    fenced.site.cluster.patch("BugCommand", NAMESPACE, NAME, body, status=True)


async def test_while_the_lease_was_renewed_lately_nothing_is_asked(fenced: Fenced) -> None:
    await fenced.confirm()

    assert fenced.site.cluster.calls == []


async def test_after_a_pause_what_was_taken_over_is_left_alone(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    taken_over(fenced)
    with pytest.raises(Conflict, match="changed hands"):
        await fenced.confirm()

    claim = fenced.process.world.commands.items[KEY].status.claim
    assert claim is not None
    assert (claim.executor, claim.epoch) == ("bridge-b", 2)


async def test_a_claim_that_came_back_with_another_epoch_is_decided_anew(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    taken_over(fenced, executor="bridge-a", epoch=3)

    with pytest.raises(Conflict):
        await fenced.confirm()


async def test_after_a_pause_in_which_nothing_happened_work_goes_on(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    await fenced.confirm()
    assert fenced.calls("BugCommand") == ["get"]
    await fenced.confirm()

    assert fenced.calls("BugCommand") == ["get"]  # the Lease is fresh again


async def test_one_that_cannot_renew_its_lease_goes_on_with_what_is_still_its_own(fenced: Fenced) -> None:
    fenced.site.clock.now += 60

    def no_leases(call: Call) -> None:
        if call.kind == "Lease":
            raise ClusterUnavailable("leases are forbidden")

    fenced.site.cluster.before = no_leases
    await fenced.confirm()
    assert not fenced.registry.nobody_took_over()
    taken_over(fenced)

    with pytest.raises(Conflict):
        await fenced.confirm()


async def test_one_whose_id_is_another_process_s_by_now_does_nothing_in_its_name(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    fenced.site.cluster.patch("Lease", SYSTEM, "bridge-a", {"spec": {"holderIdentity": "another-pod"}})

    with pytest.raises(CannotRun, match="another-pod"):
        await fenced.confirm()


async def test_a_command_that_is_gone_is_forgotten(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    shown = fenced.site.cluster.objects.pop(("BugCommand", NAMESPACE, NAME))
    with pytest.raises(Conflict):
        await fenced.confirm()
    fenced.process.world.hear_command({**shown, "metadata": {**shown["metadata"], "resourceVersion": "999999"}})

    assert KEY not in fenced.process.world.commands.items, "what a watch has yet to show is from before"


async def test_a_stopped_executor_s_pass_makes_no_pod_for_a_command_that_is_another_s(fenced: Fenced) -> None:
    fenced.site.clock.now += 60
    taken_over(fenced)
    fenced.process.enqueue(KEY)
    await fenced.process.one(KEY)

    assert [type(e) for e in fenced.process.errors] == [Conflict]
    assert fenced.site.cluster.of_kind("Pod") == []
    await fenced.process.work()
    assert fenced.site.cluster.of_kind("Pod") == []


async def test_a_volume_of_the_same_name_that_is_another_command_s_is_not_deleted_in_its_stead(
    fenced: Fenced,
) -> None:
    """Decided for the volume that was observed; what came after it has another UID."""
    cluster, process = fenced.site.cluster, fenced.process
    name = f"{NAME}-worktree"
    labels = {"app.kubernetes.io/managed-by": "mentu-operator", "mentu.dev/command-uid": UID}
    manifest = {"kind": "PersistentVolumeClaim", "spec": {}, "metadata": {"name": name, "namespace": NAMESPACE}}
    manifest["metadata"]["labels"] = labels  # type: ignore[index]
    seen_volume = process.world.put_volume(cluster.create(manifest))
    cluster.objects.pop(("PersistentVolumeClaim", NAMESPACE, name))
    manifest["metadata"]["labels"] = {**labels, "mentu.dev/command-uid": OTHER_UID}  # type: ignore[index]
    cluster.create(manifest)
    actor = Actor(process.kube, process.world, process.install)
    seen = replace(observed(process.world.commands.items[KEY]), volume=seen_volume)
    for action in (DeleteVolume(name), OwnVolume(name)):
        with pytest.raises(Exception, match=r"UID|immutable|modified"):
            await actor.carry_out(seen, (action,))
    left = cluster.find("PersistentVolumeClaim", name)
    assert left is not None
    assert not {"deletionTimestamp", "ownerReferences"} & left["metadata"].keys()
