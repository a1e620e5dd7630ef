"""Work that the export does not take out: it says that it is there, so that nobody deletes the volume."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.process.workspace.conftest import COMMITMENT, Place, Remote, git

from bugcommand_operator.workspace import export

CHECKPOINT = f"refs/mentu/rescue/{COMMITMENT}/1"


def stash(place: Place) -> None:
    (place.tree / "src/app.py").write_text("half fixed\n")
    git(place.tree, "stash")


def another_branch(place: Place) -> None:
    git(place.tree, "checkout", "-q", "-b", "idea")
    place.agent_commits({"src/app.py": "an idea\n"})
    git(place.tree, "checkout", "-q", f"bug/{COMMITMENT}")


def packed_branch(place: Place) -> None:
    another_branch(place)
    git(place.repo, "pack-refs", "--all")


def tag(place: Place) -> None:
    another_branch(place)
    git(place.tree, "tag", "v1", "idea")
    git(place.tree, "branch", "-q", "-D", "idea")


def detached_head(place: Place) -> None:
    git(place.tree, "checkout", "-q", "--orphan", "elsewhere")
    git(place.tree, "commit", "-q", "-m", "Elsewhere")
    git(place.tree, "checkout", "-q", "--detach")
    git(place.tree, "branch", "-q", "-D", "elsewhere")


def another_tree(place: Place) -> None:
    git(place.tree, "worktree", "add", "-q", "--detach", str(place.workspace / "home/tree"))
    there = place.workspace / "home/tree"
    (there / "new.txt").write_text("new\n")
    git(there, "add", "-A")
    git(there, "commit", "-q", "-m", "There")


def nested_repository(place: Place) -> None:
    git(place.tree, "init", "-q", "newapp")
    (place.tree / "newapp/main.py").write_text("print()\n")


def nested_repository_that_is_committed(place: Place) -> None:
    nested_repository(place)
    git(place.tree / "newapp", "add", "-A")
    git(place.tree / "newapp", "commit", "-q", "-m", "Inside")
    place.agent_commits({})


def checkpoint_of_files_that_are_gone(place: Place) -> None:
    (place.tree / "draft.txt").write_text("draft\n")
    save_checkpoint(place)
    git(place.tree, "rm", "-q", "-f", "draft.txt")


def commits_that_undo_each_other(place: Place) -> None:
    place.agent_commits({"src/app.py": "a way that was not gone\n"})
    git(place.tree, "revert", "--no-edit", "HEAD")


def set_aside(place: Place) -> None:
    (place.workspace / "state/set-aside-1-repo").mkdir()


def unreadable_refs(place: Place) -> None:
    packed = place.repo / ".git/packed-refs"
    packed.unlink()
    os.mkfifo(packed)


def save_checkpoint(place: Place) -> None:
    git(place.tree, "add", "-A")
    saved = git(place.tree, "commit-tree", git(place.tree, "write-tree"), "-p", "HEAD", "-m", "Checkpoint")
    git(place.tree, "update-ref", CHECKPOINT, saved)


OTHER = [
    stash,
    another_branch,
    packed_branch,
    tag,
    detached_head,
    another_tree,
    nested_repository,
    nested_repository_that_is_committed,
    checkpoint_of_files_that_are_gone,
    commits_that_undo_each_other,
    set_aside,
    unreadable_refs,
]


@pytest.mark.parametrize("make", OTHER)
def test_work_that_is_not_taken_out_is_told_of(place: Place, make: Callable[[Place], None]) -> None:
    place.prepare()
    make(place)
    assert place.run("export")["otherWork"] is True


@pytest.mark.parametrize("make", [stash, another_branch, nested_repository])
def test_it_is_told_of_beside_work_that_is_published(
    place: Place, remote: Remote, make: Callable[[Place], None]
) -> None:
    place.prepare()
    make(place)
    head = place.agent_commits({"src/util.py": "fixed\n"}) if make is not nested_repository else ""
    if make is nested_repository:
        (place.tree / "src/util.py").write_text("fixed\n")
    exported, published = place.take_out()
    assert (exported["hasChanges"], exported["otherWork"], published["pushed"]) == (True, True, True)
    assert head in ("", remote.value(place.branch))


@pytest.mark.parametrize("make", [stash, another_branch, nested_repository])
def test_a_rescue_tells_of_what_it_leaves_behind(place: Place, make: Callable[[Place], None]) -> None:
    place.prepare()
    make(place)
    assert place.take_out(publishAs="Rescue")[0]["otherWork"] is True


def test_a_rescue_takes_commits_that_undo_each_other(place: Place, remote: Remote) -> None:
    place.prepare()
    commits_that_undo_each_other(place)
    exported, _ = place.take_out(publishAs="Rescue")
    assert (exported["hasChanges"], exported["otherWork"]) == (True, False)
    assert remote.value(CHECKPOINT) == git(place.tree, "rev-parse", "HEAD")


@pytest.mark.parametrize("as_what", ["Branch", "Rescue"])
def test_what_is_contained_in_the_work_is_nothing_else(place: Place, as_what: str) -> None:
    place.prepare()
    git(place.tree, "branch", "-q", "before")
    place.agent_commits({"src/app.py": "first\n"})
    git(place.tree, "tag", "-a", "-m", "One", "half")
    (place.tree / "src/app.py").write_text("stashed and taken back\n")
    git(place.tree, "stash")
    git(place.tree, "stash", "pop")
    (place.tree / "src/util.py").write_text("left\n")
    save_checkpoint(place)
    assert place.run("export", publishAs=as_what)["otherWork"] is False
    place.agent_commits({"src/app.py": "last\n"})
    git(place.tree, "update-ref", CHECKPOINT, "HEAD")
    assert place.run("export", publishAs=as_what)["otherWork"] is False


@pytest.mark.parametrize("as_what", ["Branch", "Rescue"])
def test_uncommitted_files_over_the_limit_are_not_copied(
    place: Place, monkeypatch: pytest.MonkeyPatch, as_what: str
) -> None:
    monkeypatch.setattr(export, "LARGEST", 100_000)
    place.prepare()
    with (place.tree / "huge.bin").open("wb") as file:
        file.truncate(1 << 40)
    failed = place.fails("export", publishAs=as_what)
    assert (failed["reason"], failed["code"]) == ("ExportTooLarge", 20)
    assert "100000 bytes are the limit" in failed["message"]


def test_files_over_the_limit_beside_commits_are_only_counted(
    place: Place, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LARGEST", 100_000)
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"})
    (place.tree / "huge.bin").write_bytes(os.urandom(200_000))
    (place.tree / "src/util.py").unlink()
    exported, _ = place.take_out()
    assert exported["leftUncommitted"] == 2
    assert remote.value(place.branch) == head
    assert place.fails("export", publishAs="Rescue")["reason"] == "ExportTooLarge"


def test_commits_over_the_limit_leave_no_bundle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST", 100_000)
    place.prepare()
    (place.tree / "huge.bin").write_bytes(os.urandom(200_000))
    place.agent_commits({"src/app.py": "fixed\n"})
    failed = place.fails("export")
    assert (failed["reason"], failed["code"]) == ("ExportTooLarge", 20)
    assert not (place.folder / "export/work.bundle").exists()
    monkeypatch.setattr(export, "LARGEST", 1_000_000)
    assert place.take_out()[1]["pushed"] is True
