"""`withWorktree: false`: one checkout that the commands of a Repository use one after the other."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import pytest
from tests.process.workspace.conftest import Place, Remote, git, snapshot
from tests.process.workspace.test_prepare_again import killed_at

NEXT = {"commitmentId": "cmt_next", "commandId": "next-0b5c7c0e"}


@pytest.fixture
def plain(place: Place) -> Place:
    place.request["withWorktree"] = False
    return place


def test_the_repository_itself_is_the_tree(plain: Place, remote: Remote) -> None:
    remote.commit({".mentu/config.yaml": "a: 1\n"})
    result = plain.prepare()
    assert result["workingDirectory"] == str(plain.repo)
    assert git(plain.repo, "status", "--porcelain") == ""
    assert git(plain.repo, "symbolic-ref", "HEAD") == plain.branch
    assert (plain.repo / ".mentu/bug-context.md").is_file()
    assert (plain.repo / ".mentu/config.yaml").read_text() == "a: 1\n"
    plain.agent_commits({"src/app.py": "fixed\n"})
    assert git(plain.repo, "diff", "--name-only", "HEAD~1", "HEAD") == "src/app.py"


def test_its_work_comes_out_like_any_other(plain: Place, remote: Remote) -> None:
    plain.prepare()
    head = plain.agent_commits({"src/app.py": "fixed\n"})
    assert plain.take_out()[1]["headCommit"] == head
    assert remote.value(plain.branch) == head


def moved_on(remote: Remote) -> str:
    (remote.clone / "old.txt").unlink()
    return remote.commit({"src/app.py": "newer\n", "dir/added.txt": "added\n", ".mentu/config.yaml": "a: 2\n"})


def used_checkout(plain: Place, remote: Remote) -> None:
    """A checkout as a command left it: a commit, an edited file and a new one."""
    remote.commit({"old.txt": "old\n", ".mentu/config.yaml": "a: 1\n"})
    plain.prepare()
    plain.agent_commits({"mine.txt": "mine\n"})
    (plain.repo / "src/util.py").write_text("left over\n")
    (plain.repo / "untracked.txt").write_text("left over\n")


def check_next(plain: Place, base: str) -> None:
    assert git(plain.repo, "rev-parse", "HEAD") == base
    assert git(plain.repo, "symbolic-ref", "HEAD") == "refs/heads/bug/cmt_next"
    assert git(plain.repo, "status", "--porcelain").split("\n") == ["M src/util.py", "?? untracked.txt"]
    assert (plain.repo / "src/app.py").read_text() == "newer\n"
    assert (plain.repo / "dir/added.txt").read_text() == "added\n"
    assert (plain.repo / ".mentu/config.yaml").read_text() == "a: 2\n"
    assert not (plain.repo / "old.txt").exists()
    assert not (plain.repo / "mine.txt").exists()


def test_the_next_command_starts_from_its_own_base_and_finds_what_was_left(plain: Place, remote: Remote) -> None:
    used_checkout(plain, remote)
    base = moved_on(remote)
    plain.prepare(**NEXT)
    check_next(plain, base)
    assert (plain.repo / ".mentu/feature_lists/cmt_next.json").is_file()


def test_a_folder_in_the_place_of_a_tracked_file_of_mentu_stops_no_later_command(plain: Place, remote: Remote) -> None:
    used_checkout(plain, remote)
    base = moved_on(remote)
    (plain.repo / ".mentu/config.yaml").unlink()
    (plain.repo / ".mentu/config.yaml").mkdir()
    (plain.repo / ".mentu/config.yaml/note.txt").write_text("kept\n")
    plain.prepare(**NEXT)
    check_next(plain, base)
    assert [path.read_text() for path in (plain.workspace / "state").glob("set-aside-*/note.txt")] == ["kept\n"]


def test_the_move_to_the_next_command_can_be_killed_anywhere(plain: Place, remote: Remote) -> None:
    used_checkout(plain, remote)
    base = moved_on(remote)
    kept = plain.folder / "kept"
    shutil.copytree(plain.workspace, kept, symlinks=True)
    for at in itertools.count():
        shutil.rmtree(plain.workspace)
        shutil.copytree(kept, plain.workspace, symlinks=True)
        if not killed_at(plain, at, "prepare", "--fetch", **NEXT):
            break
        plain.prepare(**NEXT)
        check_next(plain, base)
    assert at > 15


@pytest.mark.parametrize("left", [{"src/app.py": "mine\n"}, {"dir/added.txt": "mine\n"}, {"old.txt": "mine\n"}])
def test_what_was_left_in_the_way_of_the_base_is_not_overwritten(
    plain: Place, remote: Remote, left: dict[str, str]
) -> None:
    used_checkout(plain, remote)
    moved_on(remote)
    for name, text in left.items():
        (plain.repo / name).parent.mkdir(exist_ok=True)
        (plain.repo / name).write_text(text)
    before = snapshot(plain.repo / "src")
    failed = plain.fails("prepare", "--fetch", **NEXT)
    assert (failed["reason"], failed["code"]) == ("WorkspaceFailed", 20)
    assert next(iter(left)) in failed["message"]
    assert snapshot(plain.repo / "src") == before
    for name, text in left.items():
        assert (plain.repo / name).read_text() == text


def test_a_second_attempt_of_the_same_command_keeps_its_branch(plain: Place, remote: Remote) -> None:
    plain.prepare()
    head = plain.agent_commits({"src/app.py": "half\n"})
    remote.commit({"later.txt": "later\n"})
    plain.prepare(attempt=2)
    assert git(plain.repo, "rev-parse", "HEAD") == head


def test_hooks_and_settings_of_the_previous_command_are_gone(plain: Place, remote: Remote, tmp_path: Any) -> None:
    plain.prepare()
    mark = tmp_path / "ran"
    hook = plain.repo / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    git(plain.repo, "config", "core.fsmonitor", f"touch {mark}; false")
    git(plain.repo, "config", "filter.x.smudge", f"touch {mark}; cat")
    (plain.repo / ".gitattributes").write_text("* filter=x\n")
    remote.commit({"src/app.py": "newer\n"})
    plain.prepare(**NEXT)
    assert not hook.exists()
    assert "fsmonitor" not in (plain.repo / ".git/config").read_text()
    assert not mark.exists()


def test_a_checkout_without_a_readable_head_says_what_to_do(plain: Place) -> None:
    plain.prepare()
    (plain.repo / ".git/HEAD").write_text("nonsense\n")
    failed = plain.fails("prepare", "--fetch", **NEXT)
    assert failed["reason"] == "WorkspaceFailed"
    assert "PersistentVolumeClaim" in failed["message"]


def test_without_a_mirror_the_next_command_has_its_objects_too(plain: Place, remote: Remote) -> None:
    plain.mirror.rmdir()
    used_checkout_without_mirror(plain, remote)
    base = moved_on(remote)
    plain.prepare(**NEXT, mirror=False)
    check_next(plain, base)


def used_checkout_without_mirror(plain: Place, remote: Remote) -> None:
    plain.request["mirror"] = False
    used_checkout(plain, remote)
