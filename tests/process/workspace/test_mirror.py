"""The mirror under many hands, damage and faults."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tests.process.workspace.conftest import Place, Remote, git, snapshot

from bugcommand_operator.workspace import mirror_lock
from bugcommand_operator.workspace.errors import BaseRefNotFound
from bugcommand_operator.workspace.git import Result
from bugcommand_operator.workspace.remote import advertised


@pytest.mark.parametrize("head", ["refs/heads/../../locks", "refs/heads/a b", "refs/heads/.hidden", "refs/tags/v1"])
def test_a_default_branch_of_a_name_that_no_branch_may_have_is_none(head: str) -> None:
    class Remote:
        ls_seconds = 1.0

        def run(self, *_: Any, **__: Any) -> Result:
            return Result(0, f"ref: {head}\tHEAD\n{'1' * 40}\tHEAD\n".encode(), "")

    with pytest.raises(BaseRefNotFound):
        advertised(cast(Any, Remote()), "https://git.example.test/shop.git", "")


def test_twenty_four_commands_prepare_at_once_on_one_mirror(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    places = [another_place(f"p{number}") for number in range(24)]
    running = [each.start("prepare", "--fetch") for each in places]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 24, outputs
    for each in places:
        assert git(each.tree, "status", "--porcelain") == ""
    git(place.mirror_git, "fsck", "--strict")


def test_a_mirror_that_has_the_wanted_commit_is_not_locked(place: Place, another_place: Callable[[str], Place]) -> None:
    place.prepare()
    with (place.mirror / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        another_place("second").prepare()


def test_waiting_for_a_busy_mirror_ends_and_may_be_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_lock, "LOCK_SECONDS", 0.1)
    with (place.mirror / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        failed = place.fails("fetch")
    assert (failed["reason"], failed["code"]) == ("RepositoryUnreachable", 21)


def test_only_the_wanted_ref_is_fetched_and_nothing_is_ever_pruned(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    remote.commit({"x.txt": "x\n"}, branch="noise")
    place.prepare()
    assert git(place.mirror_git, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    base = place.note
    git(remote.clone, "checkout", "-q", "--orphan", "other")
    forced = remote.commit({"rewritten.txt": "r\n"})
    assert another_place("second").prepare()["baseCommit"] == forced
    assert git(place.tree, "cat-file", "-t", base) == "commit"
    assert git(place.tree, "status", "--porcelain") == ""


def test_a_branch_that_became_a_folder_of_branches_can_be_fetched(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    remote.commit({"x.txt": "x\n"}, branch="topic")
    place.prepare(baseRef="topic")
    git(remote.bare, "update-ref", "-d", "refs/heads/topic")
    below = remote.commit({"y.txt": "y\n"}, branch="topic/one")
    assert another_place("second").prepare(baseRef="topic/one")["baseCommit"] == below
    git(remote.bare, "update-ref", "-d", "refs/heads/topic/one")
    again = remote.commit({"z.txt": "z\n"}, branch="topic")
    assert another_place("third").prepare(baseRef="topic")["baseCommit"] == again


@pytest.mark.parametrize("steps", [["prepare --fetch"], ["fetch", "prepare"]])
def test_a_branch_that_was_deleted_does_not_stand_before_a_tag_of_its_name(
    place: Place, remote: Remote, another_place: Callable[[str], Place], steps: list[str]
) -> None:
    first = git(remote.clone, "rev-parse", "HEAD")
    remote.commit({"branch.txt": "b\n"}, branch="v1")
    place.prepare(baseRef="v1")
    git(remote.bare, "update-ref", "-d", "refs/heads/v1")
    git(remote.bare, "tag", "-a", "-m", "One", "v1", first)
    second = another_place("second")
    results = [second.run(*step.split(), baseRef="v1") for step in steps]
    assert [result["baseCommit"] for result in results] == [first] * len(steps)
    assert git(second.tree, "rev-parse", "HEAD") == first
    assert git(place.tree, "status", "--porcelain") == "", "who borrowed from the branch goes on"


def test_a_tag_that_was_deleted_does_not_outlive_it(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    git(remote.bare, "tag", "v1", "main")
    place.prepare(baseRef="v1")
    newer = remote.commit({"branch.txt": "b\n"}, branch="v1")
    git(remote.bare, "update-ref", "-d", "refs/tags/v1")
    assert another_place("second").prepare(baseRef="v1")["baseCommit"] == newer
    git(remote.bare, "update-ref", "-d", "refs/heads/v1")
    third = another_place("third")
    assert third.fails("prepare", "--fetch", baseRef="v1")["reason"] == "BaseRefNotFound"


def test_stale_git_locks_and_half_packs_of_a_killed_fetch_are_cleared(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    place.prepare()
    newer = remote.commit({"x.txt": "x\n"})
    old = time.time() - 3600
    stale = [
        place.mirror_git / name for name in ("refs/heads/main.lock", "packed-refs.lock", "objects/pack/tmp_pack_x")
    ]
    for path in stale:
        path.write_text("")
        os.utime(path, (old, old))
    assert another_place("second").prepare()["baseCommit"] == newer
    assert not any(path.exists() for path in stale)


def test_a_half_made_mirror_is_made_again(place: Place) -> None:
    (place.mirror / "repo.git.building/objects").mkdir(parents=True)
    place.prepare()
    assert not (place.mirror / "repo.git.building").exists()


def object_file(place: Place, commit: str, path: str) -> Path:
    for pack in list((place.mirror_git / "objects/pack").glob("*.pack")):
        away = place.folder / pack.name
        pack.rename(away)
        for rest in (place.mirror_git / "objects/pack").glob(f"{pack.stem}.*"):
            rest.unlink()
        with away.open("rb") as data:
            subprocess.run(["git", "-C", place.mirror_git, "unpack-objects", "-q"], stdin=data, check=True)
    sha = git(place.mirror_git, "rev-parse", f"{commit}:{path}")
    return place.mirror_git / "objects" / sha[:2] / sha[2:]


def cut_short(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-4])


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"garbage")


DAMAGE: dict[str, Callable[[Path], None]] = {"lost": Path.unlink, "cut short": cut_short, "spoilt": spoil}
PLACES = ["src/app.py", "src", "", ".mentu", ".mentu/config.yaml"]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_of_the_mirror_is_healed_where_it_is_found_and_nothing_is_removed(
    place: Place, remote: Remote, another_place: Callable[[str], Place], path: str, kind: str
) -> None:
    base = remote.commit({".mentu/config.yaml": "a: 1\n"})
    place.run("fetch")
    DAMAGE[kind](object_file(place, base, path))
    before = snapshot(place.mirror)
    second = another_place("second")
    second.prepare()
    assert (second.tree / "src/app.py").read_text() == "print('bug')\n"
    assert (second.tree / ".mentu/config.yaml").read_text() == "a: 1\n"
    assert before.items() <= snapshot(place.mirror).items()
    assert sorted(path.name for path in place.mirror.iterdir()) == ["lock", "repo.git"]


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_that_a_newer_commit_of_the_remote_builds_on_is_healed(
    place: Place, remote: Remote, another_place: Callable[[str], Place], kind: str
) -> None:
    place.run("fetch")
    DAMAGE[kind](object_file(place, remote.value("refs/heads/main"), "src/app.py"))
    newer = remote.commit({"src/newer.py": "n\n"})
    second = another_place("second")
    assert second.prepare()["baseCommit"] == newer
    assert (second.tree / "src/app.py").read_text() == "print('bug')\n"


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("moved", [False, True])
def test_a_fetch_for_another_container_finds_what_is_lost_at_the_first_attempt(
    place: Place, remote: Remote, another_place: Callable[[str], Place], moved: bool, path: str
) -> None:
    base = remote.commit({".mentu/config.yaml": "a: 1\n"})
    place.run("fetch")
    object_file(place, base, path).unlink()
    if moved:
        remote.commit({"src/newer.py": "n\n"})
    second = another_place("second")
    second.run("fetch")
    second.run("prepare")
    assert (second.tree / "src/app.py").read_text() == "print('bug')\n"


def test_a_pack_with_flipped_bits_is_replaced_by_the_sound_one(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    remote.commit({f"many/{number}.txt": f"{number}\n" * 50 for number in range(120)})
    place.run("fetch")
    (pack,) = (place.mirror_git / "objects/pack").glob("*.pack")
    pack.chmod(0o644)
    sound = pack.read_bytes()
    pack.write_bytes(sound[:600] + bytes(200) + sound[800:])
    second = another_place("second")
    second.prepare()
    assert git(second.tree, "status", "--porcelain") == ""
    git(place.mirror_git, "fsck", "--full")


def test_a_ref_of_the_mirror_that_names_nothing_is_healed(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    place.run("fetch")
    (place.mirror_git / "refs/heads/main").write_text("1" * 40 + "\n")
    assert another_place("second").prepare()["baseCommit"] == remote.value("refs/heads/main")


def test_a_commit_that_is_asked_for_by_its_id_is_healed_too(place: Place, remote: Remote) -> None:
    base = place.prepare()["baseCommit"]
    remote.commit({"src/newer.py": "n\n"})
    object_file(place, base, "src").unlink()
    place.run("fetch", baseCommit=base)
    place.run("prepare", baseCommit=base)
    git(place.mirror_git, "rev-list", "--objects", "--quiet", base)


def test_a_prepare_that_cannot_fetch_says_what_is_damaged(place: Place, remote: Remote) -> None:
    place.run("fetch")
    object_file(place, remote.value("refs/heads/main"), "src/app.py").unlink()
    failed = place.fails("prepare")
    assert (failed["reason"], failed["code"]) == ("MirrorCorrupt", 20), failed


def test_a_mirror_beyond_repair_names_the_way_out(place: Place, remote: Remote) -> None:
    place.run("fetch")
    lost = object_file(place, remote.value("refs/heads/main"), "src/app.py")
    lost.unlink()
    sha = git(remote.bare, "rev-parse", "main:src/app.py")
    (remote.bare / "objects" / sha[:2] / sha[2:]).unlink()
    failed = place.fails("fetch", attempt=2)
    assert failed["reason"] in ("MirrorCorrupt", "RepositoryUnreachable", "WorkspaceFailed")


def test_a_ref_of_the_mirror_that_names_nothing_is_damage_and_not_a_missing_branch(place: Place) -> None:
    place.run("fetch")
    (place.mirror_git / "refs/heads/main").write_text("1" * 40 + "\n")
    assert place.fails("prepare", baseRef="main")["reason"] == "MirrorCorrupt"


def test_a_prepare_without_a_fetched_mirror_says_so(place: Place) -> None:
    assert place.fails("prepare")["reason"] == "MirrorCorrupt"


def test_a_full_disk_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/workspace/state")

    monkeypatch.setattr("bugcommand_operator.workspace.base.write_file", full)
    assert place.fails("prepare", "--fetch")["reason"] == "VolumeFull"


def test_the_lock_lives_as_long_as_the_fetch_that_inherited_it(place: Place) -> None:
    from bugcommand_operator.workspace.job import job_from

    job = job_from(place.environ())
    with mirror_lock.locked(job) as lock:
        sleeper = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    try:
        with (place.mirror / "lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        sleeper.kill()
        sleeper.wait()
