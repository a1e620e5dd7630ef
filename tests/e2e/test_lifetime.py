"""What goes when (docs/lifetime.md): a finished command by itself, and what has outlived its command."""

from __future__ import annotations

from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_objects import SYSTEM, Raw, bug, looking_pod
from tests.support.kubectl import eventually
from tests.support.kubectl_bug import KubectlBug

SAYS = "for n in $(seq 20); do echo line $n; done; echo x > done.txt"
FAILS = "echo x > tried.txt; exit 1"
NOBODY = "00000000-0000-4000-8000-000000000000"
SWEPT = 45.0


def test_a_finished_command_goes_with_all_that_is_its_own_and_its_log_stays(lab: Lab) -> None:
    made = lab.run(bug("ttl-done", SAYS, output="Branch", ttlSecondsAfterFinished=3))
    uid = made.uid
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    made.leaves_nothing(uid)
    made.events("Expired", uid=uid)

    shown = KubectlBug(lab.kubectl, SYSTEM).rows("logs", status["commandId"])
    assert [row["seq"] for row in shown] == list(range(1, len(shown) + 1))
    numbered = [row["message"] for row in shown if row["message"].startswith("line ")]
    assert numbered == [f"line {n}" for n in range(1, 21)]
    assert lab.repositories.refs("public/plain")[f"refs/heads/{status['branch']}"] == status["headCommit"]


def test_unpublished_work_is_pushed_before_its_command_goes_by_itself(lab: Lab) -> None:
    made = lab.run(bug("ttl-failed", FAILS, output="Branch", ttlSecondsAfterFinished=3))
    uid = made.uid
    status = made.ended()
    assert reason_of(status) == ("Failed", "AgentFailed"), message_of(status)
    made.leaves_nothing(uid)
    made.events("Expired", "WorkRescued", uid=uid)
    ref = f"refs/mentu/rescue/{status['commitmentId']}/{status['attempt']}"
    assert lab.repositories.on_server("public/plain", "show", f"{ref}:tried.txt") == "x\n"


def torn_away(made: Bug) -> None:
    """Deleted without its finalizer, as somebody in a hurry does."""
    patch = '{"metadata": {"finalizers": null}}'
    made.kubectl.run("patch", "bugcommand", made.name, "--type=merge", "-p", patch)
    made.delete(seconds=20)


def labels(command: str, **more: str) -> dict[str, str]:
    """As the executor would label what it makes for a command, which here never was."""
    given = {"command": command, "command-uid": NOBODY, **more}
    return {"app.kubernetes.io/managed-by": "mentu-operator"} | {f"mentu.dev/{k}": v for k, v in given.items()}


def never_bound(command: str) -> Raw:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "there-is-none",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": f"{command}-worktree", "labels": labels(command, role="worktree")}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def stray_pod(command: str) -> Raw:
    made = looking_pod(f"{command}-1-rescue", "exec sleep 60", {})
    made["metadata"]["labels"] = labels(command, role="rescue", attempt="1")
    return made


def are_owned(volumes: dict[str, Raw]) -> bool:
    return all(volume["metadata"].get("ownerReferences") for volume in volumes.values())


def uid_of(lab: Lab, kind: str, name: str) -> str:
    found = lab.kubectl.get(kind, name)
    assert found is not None
    return str(found["metadata"]["uid"])


def test_work_whose_command_was_torn_away_is_kept_and_told_of_and_a_safe_volume_goes(lab: Lab) -> None:
    failed = lab.run(bug("torn-failed", FAILS, output="Branch"))
    done = lab.run(bug("torn-done", "echo x > done.txt", output="Branch"))
    failed.ended()
    assert reason_of(done.ended()) == ("Succeeded", "Completed")
    eventually(done.volumes, are_owned, 30, "its volume may go with it")
    uid, safe, [volume] = failed.uid, done.uid, failed.volumes()
    lab.executor_goes_away()
    try:
        torn_away(failed)
        torn_away(done)
    finally:
        lab.executor_is_back()

    def is_kept(seen: dict[str, Raw]) -> bool:
        return [v["metadata"]["labels"].get("mentu.dev/kept") for v in seen.values()] == ["true"]

    [kept] = eventually(lambda: failed.volumes(uid), is_kept, SWEPT, "the volume is marked as kept").values()
    seen = failed.events("LeakedVolumeKept", uid=kept["metadata"]["uid"])
    [told] = [event for event in seen if event.reason == "LeakedVolumeKept"]
    assert (told.type, volume in told.message) == ("Warning", True)
    done.leaves_nothing(safe)
    found = "cat /workspace/repo/.worktrees/*/tried.txt"
    assert lab.look("torn", found, {"/workspace": volume}) == "x\n"
    lab.kubectl.run("delete", "persistentvolumeclaim", volume, "--wait=false")


def test_a_pod_and_a_volume_that_hold_nothing_of_a_command_that_never_was_are_deleted(lab: Lab) -> None:
    lab.apply(never_bound("never-was"), stray_pod("never-was"))
    never = lab.bug("never-was")
    volume = uid_of(lab, "persistentvolumeclaim", "never-was-worktree")
    pod = uid_of(lab, "pod", "never-was-1-rescue")
    eventually(lambda: never.volumes(NOBODY) | never.pods(NOBODY), lambda seen: not seen, SWEPT, "both are deleted")
    never.events("LeakedVolumeDeleted", uid=volume)
    never.events("LeakedPodDeleted", uid=pod)
