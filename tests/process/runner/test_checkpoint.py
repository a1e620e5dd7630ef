"""The tree is kept under the rescue ref, and the agent notices nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from tests.process.runner.builders import journal, messages
from tests.process.runner.git import files_of, git, repository

from bugcommand_operator.runner import checkpoint as checkpoint_module
from bugcommand_operator.runner.checkpoint import Checkpoint, Checkpointer, CheckpointError, rescue_ref
from bugcommand_operator.runner.config import Identity
from bugcommand_operator.runner.processes import Children

REF = rescue_ref("cmt_1", 2)


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def checkpoint(tmp_path: Path, worktree: Path) -> Checkpoint:
    return Checkpoint(Children(), str(worktree), REF, tmp_path, Identity("Fixer", "fixer@example.org"))


def test_the_ref_names_the_commitment_and_the_attempt() -> None:
    assert REF == "refs/mentu/rescue/cmt_1/2"


def test_changed_deleted_and_new_files_are_kept_but_not_ignored_ones(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "changed.txt").write_text("after\n")
    (worktree / "kept.txt").unlink()
    (worktree / "new file \u00e9.txt").write_text("new\n")
    (worktree / "ignored").mkdir()
    (worktree / "ignored" / "cache").write_text("x")
    assert checkpoint.save(30)
    assert "ignored/cache" not in files_of(worktree, REF)
    assert git(worktree, "show", f"{REF}:changed.txt") == "after"
    assert git(worktree, "show", f"{REF}:new file \u00e9.txt") == "new"
    assert "kept.txt" not in files_of(worktree, REF)
    assert git(worktree, "rev-parse", f"{REF}^") == git(worktree, "rev-parse", "HEAD")
    assert git(worktree, "log", "-1", "--format=%an <%ae>", REF) == "Fixer <fixer@example.org>"


def test_the_agents_index_head_and_branch_are_as_before(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "staged.txt").write_text("staged\n")
    git(worktree, "add", "staged.txt")
    (worktree / "changed.txt").write_text("after\n")
    before = (git(worktree, "status", "--porcelain"), git(worktree, "rev-parse", "HEAD"), git(worktree, "branch"))
    index = (worktree / ".git" / "index").read_bytes()
    checkpoint.save(30)
    assert (worktree / ".git" / "index").read_bytes() == index
    after = (git(worktree, "status", "--porcelain"), git(worktree, "rev-parse", "HEAD"), git(worktree, "branch"))
    assert before == after
    assert git(worktree, "stash", "list") == ""


def test_nothing_is_written_while_nothing_changes(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "changed.txt").write_text("after\n")
    assert checkpoint.save(30)
    first = git(worktree, "rev-parse", REF)
    assert not checkpoint.save(30)
    assert git(worktree, "rev-parse", REF) == first
    (worktree / "changed.txt").write_text("after that\n")
    assert checkpoint.save(30)
    assert git(worktree, "rev-parse", REF) != first


def test_work_that_is_all_committed_is_kept_as_that_commit(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "changed.txt").write_text("after\n")
    git(worktree, "commit", "--quiet", "-am", "the fix")
    checkpoint.save(30)
    assert git(worktree, "rev-parse", REF) == git(worktree, "rev-parse", "HEAD")


def test_a_commit_that_is_undone_leaves_its_content_reachable(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "changed.txt").write_text("after\n")
    checkpoint.save(30)
    kept = git(worktree, "rev-parse", REF)
    git(worktree, "reset", "--quiet", "--hard")
    git(worktree, "gc", "--quiet", "--prune=now")
    assert git(worktree, "show", f"{kept}:changed.txt") == "after"


def test_only_files_that_changed_are_read_again(worktree: Path, checkpoint: Checkpoint) -> None:
    git(worktree, "config", "filter.count.clean", "echo %f >> .git/read; cat")
    (worktree / ".gitattributes").write_text("*.txt filter=count\n")
    git(worktree, "add", "--all")
    for path in worktree.glob("*.txt"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # files of the very moment of the index are read again
    git(worktree, "update-index", "--refresh")
    (worktree / ".git" / "read").write_text("")
    (worktree / "changed.txt").write_text("after\n")
    checkpoint.save(30)
    assert set((worktree / ".git" / "read").read_text().split()) == {"changed.txt"}


def test_no_hook_of_the_repository_runs(worktree: Path, checkpoint: Checkpoint) -> None:
    for name in ("post-index-change", "reference-transaction", "pre-commit", "post-commit"):
        hook = worktree / ".git" / "hooks" / name
        hook.write_text('#!/bin/sh\ntouch "$(dirname "$0")/ran"\nexit 1\n')
        hook.chmod(0o755)
    (worktree / "changed.txt").write_text("after\n")
    assert checkpoint.save(30)
    assert not (worktree / ".git" / "hooks" / "ran").exists()


def test_a_huge_untracked_file_is_left_out_and_the_rest_kept(
    worktree: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "LARGEST_UNTRACKED", 1000)
    (worktree / "core [1]*.dump").write_text("x" * 2000)
    (worktree / "core 1.dump").write_text("small")
    checkpoint.save(30)
    assert files_of(worktree, REF) >= {"core 1.dump"}
    assert not any("*" in name for name in files_of(worktree, REF))


def test_a_broken_or_locked_index_of_the_agent_does_not_lose_the_work(worktree: Path, checkpoint: Checkpoint) -> None:
    (worktree / "new.txt").write_text("new\n")
    (worktree / ".git" / "index").write_bytes(b"DIRC garbage")
    (worktree / ".git" / "index.lock").write_text("")
    assert checkpoint.save(30)
    assert files_of(worktree, REF) == {"kept.txt", "changed.txt", ".gitignore", "new.txt"}


def test_a_repository_without_a_commit_can_be_kept(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    git(fresh, "init", "--quiet")
    (fresh / "first.txt").write_text("first\n")
    assert Checkpoint(Children(), str(fresh), REF, tmp_path, Identity("a", "a@example.org")).save(30)
    assert git(fresh, "show", f"{REF}:first.txt") == "first"


def test_a_filter_that_hangs_is_given_up_in_time_and_leaves_no_process(worktree: Path, checkpoint: Checkpoint) -> None:
    git(worktree, "config", "filter.slow.clean", "sleep 60")
    (worktree / ".gitattributes").write_text("*.txt filter=slow\n")
    (worktree / "changed.txt").write_text("after\n")
    began = time.monotonic()
    with pytest.raises(CheckpointError):
        checkpoint.save(1.0)
    assert time.monotonic() - began < 10


def test_the_last_checkpoint_comes_at_the_end_and_trouble_is_told_once(tmp_path: Path, checkpoint: Checkpoint) -> None:
    written, spool = journal(tmp_path)
    worktree = tmp_path / "repo"
    (worktree / "changed.txt").write_text("after\n")
    Checkpointer(checkpoint, written, 0).finish(20)
    assert git(worktree, "show", f"{REF}:changed.txt") == "after"
    (worktree / ".git").rename(tmp_path / "gone")
    Checkpointer(checkpoint, written, 0).finish(20)
    assert len(messages(spool)) == 1
    assert "could not be checkpointed" in messages(spool)[0]


def test_a_checkpoint_is_made_at_each_interval(tmp_path: Path, worktree: Path, checkpoint: Checkpoint) -> None:
    written, _ = journal(tmp_path)
    (worktree / "changed.txt").write_text("after\n")
    checkpointer = Checkpointer(checkpoint, written, 0.05)
    checkpointer.start()
    deadline = time.monotonic() + 20
    while REF not in git(worktree, "for-each-ref", "--format=%(refname)") and time.monotonic() < deadline:
        time.sleep(0.02)
    checkpointer.finish(20)
    assert git(worktree, "show", f"{REF}:changed.txt") == "after"


@pytest.mark.parametrize("broken", [False, True])
def test_the_tracked_mentu_folder_behind_the_link_stays_as_it_is(tmp_path: Path, worktree: Path, broken: bool) -> None:
    """The layout of a command's volume: a linked worktree whose `.mentu` is a link out of it."""
    (worktree / ".mentu").mkdir()
    (worktree / ".mentu" / "genesis.key").write_text("policy\n")
    git(worktree, "add", "--all")
    git(worktree, "commit", "--quiet", "-m", "with a policy")
    linked = worktree / ".worktrees" / "cmt_1"
    git(worktree, "worktree", "add", "--quiet", "--no-checkout", "-b", "bug/cmt_1", str(linked))
    git(linked, "sparse-checkout", "set", "--no-cone", "/*", "!/.mentu/")
    git(linked, "checkout", "--quiet")
    (worktree / ".git" / "info" / "exclude").write_text("/.mentu\n")
    (linked / ".mentu").symlink_to("../../.mentu")
    (linked / "changed.txt").write_text("after\n")
    if broken:
        (worktree / ".git" / "worktrees" / "cmt_1" / "index").write_bytes(b"DIRC garbage")
    Checkpoint(Children(), str(linked), REF, tmp_path, Identity("a", "a@example.org")).save(30)
    assert git(worktree, "diff", "--name-only", "bug/cmt_1", REF) == "changed.txt"
    assert git(worktree, "show", f"{REF}:.mentu/genesis.key") == "policy"


@pytest.mark.parametrize("command", ["add", "ls-files"])
def test_a_git_that_was_killed_does_not_take_the_place_of_the_last_good_checkpoint(
    worktree: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (worktree / "changed.txt").write_text("good\n")
    checkpoint.save(30)
    (worktree / "changed.txt").write_text("later\n")
    run = Checkpoint._run

    def killed(self: Checkpoint, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], -9, b"", b"") if command in arguments else run(self, *arguments)

    monkeypatch.setattr(Checkpoint, "_run", killed)
    with pytest.raises(CheckpointError, match="signal 9"):
        checkpoint.save(30)
    assert git(worktree, "show", f"{REF}:changed.txt") == "good"
