"""Deleting a command: unpublished work is pushed as a rescue ref first; then nothing of the command is left."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, reason_of
from tests.support.cluster_objects import Raw, bug, repository

WORKS = """
echo committed > one.txt; git add one.txt; git commit -qm one
echo uncommitted > two.txt
echo ready; until [ -e /tmp/go ]; do sleep 0.2; done
"""


FAILS = "echo x > tried.txt; exit 1"
BUGS: dict[str, Raw] = {
    "background": {"prompt": WORKS},
    "foreground": {"prompt": WORKS},
    "foreign": {"prompt": WORKS},
    "done": {"prompt": "echo x > done.txt"},
    "failed": {"prompt": FAILS},
    "kept": {"prompt": FAILS, "repository": {"name": "short-lived"}},
    "waiting": {"prompt": "echo x", "repository": {"name": "not-there"}},
}


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    lab.apply(repository("short-lived", "plain"))
    return {name: lab.run(bug(f"delete-{name}", **{"output": "Branch", **spec})) for name, spec in BUGS.items()}


def rescued(lab: Lab, status: Raw, path: str) -> str:
    ref = f"refs/mentu/rescue/{status['commitmentId']}/{status['attempt']}"
    return lab.repositories.on_server("public/plain", "show", f"{ref}:{path}")


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_deleting_a_command_whose_agent_works_saves_its_work_and_leaves_nothing(
    lab: Lab, bugs: dict[str, Bug], cascade: str
) -> None:
    made = bugs[cascade]
    status = made.running()
    made.prints("ready")
    uid = made.uid
    made.delete(f"--cascade={cascade}")
    made.leaves_nothing(uid)
    assert rescued(lab, status, "one.txt") == "committed\n"
    assert rescued(lab, status, "two.txt") == "uncommitted\n"
    assert f"refs/heads/bug/{status['commitmentId']}" not in lab.repositories.refs("public/plain")
    told = made.events("WorkRescued", uid=uid)
    [saved] = [e for e in told if e.reason == "WorkRescued"]
    assert f"refs/mentu/rescue/{status['commitmentId']}/1" in saved.message


def test_deleting_a_command_that_has_published_leaves_nothing_but_its_branch(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["done"]
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed")
    uid = made.uid
    made.delete()
    made.leaves_nothing(uid)
    refs = lab.repositories.refs("public/plain")
    assert refs[f"refs/heads/bug/{status['commitmentId']}"] == status["headCommit"]
    assert f"refs/mentu/rescue/{status['commitmentId']}/1" not in refs


def test_deleting_a_command_that_has_failed_saves_the_work_that_was_kept(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["failed"]
    status = made.ended()
    assert reason_of(status) == ("Failed", "AgentFailed")
    uid = made.uid
    made.delete()
    made.leaves_nothing(uid)
    assert rescued(lab, status, "tried.txt") == "x\n"


def test_a_new_command_of_the_same_name_starts_afresh(lab: Lab) -> None:
    first = lab.run(bug("delete-again", "echo x > first.txt; exit 1", output="Branch"))
    before, uid = first.ended(), first.uid
    first.delete()
    again = lab.run(bug("delete-again", "ls; echo y > second.txt", output="Branch"))
    after = again.ended()
    assert reason_of(after) == ("Succeeded", "Completed")
    assert again.uid != uid
    assert after["commitmentId"] != before["commitmentId"]
    assert "first.txt" not in again.printed()


def test_a_command_that_never_ran_is_deleted_at_once(bugs: dict[str, Bug]) -> None:
    made = bugs["waiting"]
    made.waits("RepositoryNotFound")
    uid = made.uid
    made.delete(seconds=10)
    made.leaves_nothing(uid)


def test_work_that_cannot_be_pushed_stays_on_a_volume_that_says_so(lab: Lab, bugs: dict[str, Bug]) -> None:
    """The Repository is gone: nobody knows where to push to."""
    made = bugs["kept"]
    made.ended()
    uid, [volume] = made.uid, made.volumes()
    lab.kubectl.run("delete", "repository.mentu.dev", "short-lived", "--wait=false")
    made.delete()
    [kept] = made.volumes(uid).values()
    assert (kept["metadata"]["name"], "mentu.dev/kept" in kept["metadata"]["labels"]) == (volume, True)
    assert not kept["metadata"].get("ownerReferences")
    [told] = [e for e in made.events("WorkKept", uid=uid) if e.reason == "WorkKept"]
    assert (told.type, volume in told.message) == ("Warning", True)
    claims = {"/workspace": volume}
    found = "cat /workspace/repo/.worktrees/*/tried.txt"
    assert lab.look("kept", found, claims) == "x\n"
    lab.kubectl.run("delete", "persistentvolumeclaim", volume, "--wait=false")


def test_a_foreign_finalizer_does_not_stop_the_rescue(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["foreign"]
    status = made.running()
    made.prints("ready")
    patch = '[{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/hold"}]'
    lab.kubectl.run("patch", "bugcommand", made.name, "--type=json", "-p", patch)
    uid = made.uid
    made.delete("--wait=false")
    made.events("WorkRescued", uid=uid, seconds=60)
    assert rescued(lab, status, "two.txt") == "uncommitted\n"
    lab.kubectl.run("patch", "bugcommand", made.name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    made.leaves_nothing(uid)
