"""Killed at any point, run again, run for a later attempt: the same place, and never a lost change."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.process.workspace.conftest import COMMITMENT, Place, Remote, git, snapshot

from bugcommand_operator.workspace.main import run


class Killed(BaseException):
    """Not an error that any code could handle."""


class Bomb:
    """Stands before the writes that a process makes, and goes off at the nth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        for name in ("rename", "replace", "mkdir", "symlink", "link", "unlink", "posix_spawnp"):
            monkeypatch.setattr(os, name, self._before(getattr(os, name)))

    def _before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if self.left == 0:
                raise Killed
            self.left -= 1
            return function(*arguments, **options)

        return wrapped


def killed_at(place: Place, at: int, *arguments: str, **changes: Any) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        Bomb(patch, at)
        try:
            run(arguments, place.environ(**changes))
        except Killed:
            return True
    return False


@pytest.mark.parametrize("mirror", [True, False])
def test_killed_before_any_write_and_run_again_it_arrives_at_the_same_state(
    place: Place, remote: Remote, tmp_path: Path, mirror: bool
) -> None:
    remote.commit({".mentu/config.yaml": "a: 1\n"})
    place.prepare(mirror=mirror)
    expected = snapshot(place.workspace)
    for at in itertools.count():
        shutil.rmtree(place.workspace)
        shutil.rmtree(place.mirror)
        place.workspace.mkdir()
        place.mirror.mkdir()
        if not killed_at(place, at, "prepare", "--fetch", mirror=mirror):
            break
        place.prepare(mirror=mirror)
        assert snapshot(place.workspace) == expected, f"killed before write {at}"
        assert git(place.tree, "status", "--porcelain") == ""
    assert at > 15


def test_a_base_that_moves_between_a_kill_and_the_next_run_does_not_move_the_commands_base(
    place: Place, remote: Remote
) -> None:
    base = place.prepare()["baseCommit"]
    remote.commit({"later.txt": "later\n"})
    assert place.prepare()["baseCommit"] == base
    assert place.prepare(attempt=2)["baseCommit"] == base
    assert not (place.tree / "later.txt").exists()


def test_a_later_attempt_goes_on_where_the_earlier_one_stopped(place: Place) -> None:
    place.prepare()
    made = place.agent_commits({"src/app.py": "half fixed\n"})
    (place.tree / "draft.txt").write_text("draft\n")
    features = place.tree / f".mentu/feature_lists/{COMMITMENT}.json"
    features.write_text(json.dumps({"mine": True}))
    place.prepare(attempt=2)
    assert git(place.tree, "rev-parse", "HEAD") == made
    assert git(place.tree, "status", "--porcelain") == "?? draft.txt"
    assert json.loads(features.read_text()) == {"mine": True}


def test_locks_that_a_killed_agent_left_are_gone_when_the_next_attempt_starts(place: Place) -> None:
    place.prepare()
    own = place.repo / f".git/worktrees/{COMMITMENT}"
    locks = [own / "index.lock", own / "HEAD.lock", place.repo / f".git/{place.branch}.lock"]
    for lock in locks:
        lock.write_text("")
    place.prepare(attempt=2)
    assert not any(lock.exists() for lock in locks)
    place.agent_commits({"src/app.py": "fixed\n"})


def test_a_repository_that_the_agent_destroyed_is_made_anew_and_the_rest_set_aside(place: Place) -> None:
    place.prepare()
    (place.tree / "work.txt").write_text("precious\n")
    shutil.rmtree(place.repo / ".git")
    (place.workspace / "state/attempt-1.started").write_text("")
    place.prepare(attempt=2)
    assert git(place.tree, "status", "--porcelain") == ""
    kept = list((place.workspace / "state").glob("set-aside-*/.worktrees/*/work.txt"))
    assert [path.read_text() for path in kept] == ["precious\n"]


def test_nothing_of_a_later_attempt_is_written_through_links_that_an_agent_planted(
    place: Place, tmp_path: Path
) -> None:
    place.prepare()
    secret = tmp_path / "victim"
    secret.mkdir()
    shutil.rmtree(place.repo / ".mentu")
    (place.repo / ".mentu").symlink_to(secret)
    shutil.rmtree(place.workspace / "home")
    (place.workspace / "home").symlink_to(secret)
    (place.tree / ".mentu").unlink()
    (place.tree / ".mentu").mkdir()
    (place.tree / ".mentu/keep.txt").write_text("kept\n")
    place.prepare(attempt=2)
    assert list(secret.iterdir()) == []
    assert not (place.repo / ".mentu").is_symlink()
    assert (place.tree / ".mentu/bug-context.md").exists()
    assert [path.read_text() for path in (place.workspace / "state").glob("set-aside-*/keep.txt")] == ["kept\n"]


@pytest.mark.parametrize("name", ["state", "home", "repo/.git", "repo/.worktrees", "repo/.git/objects"])
def test_a_folder_replaced_by_a_link_to_the_mirror_is_not_written_through(place: Place, name: str) -> None:
    place.prepare()
    before = snapshot(place.mirror)
    folder = place.workspace / name
    folder.rename(place.workspace / "moved")
    folder.symlink_to(place.mirror)
    place.prepare(attempt=2)
    place.run("prepare", attempt=3)
    assert snapshot(place.mirror) == before
    assert (place.tree / "src/app.py").exists()


def test_a_later_attempt_runs_nothing_that_the_agent_configured(place: Place, tmp_path: Path) -> None:
    place.prepare()
    mark = tmp_path / "ran"
    hostile = tmp_path / "hostile.sh"
    hostile.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hostile.chmod(0o755)
    for key in ("core.fsmonitor", "filter.x.smudge", "filter.x.clean", "core.sshCommand", "core.pager"):
        git(place.repo, "config", key, str(hostile))
    hooks = place.repo / ".git/hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-commit"):
        (hooks / hook).symlink_to(hostile)
    (place.tree / ".gitattributes").write_text("* filter=x\n")
    place.prepare(attempt=2)
    place.take_out()
    assert not mark.exists()


def test_a_note_of_the_base_that_the_agent_forged_is_not_believed(place: Place) -> None:
    place.prepare()
    made = place.agent_commits({"src/app.py": "sneaky\n"})
    (place.workspace / f"state/base-{place.request['commandId']}").write_text(made)
    assert place.fails("prepare", attempt=2)["reason"] == "MirrorCorrupt"
    assert place.fails("prepare", "--fetch", attempt=2)["reason"] == "BaseRefNotFound"
