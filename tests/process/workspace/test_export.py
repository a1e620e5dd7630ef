"""What is taken out of the agent's volume, whatever the agent did to it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.process.workspace.conftest import COMMITMENT, Place, Remote, git, snapshot

from bugcommand_operator.workspace.errors import ExportFailed, Transient
from bugcommand_operator.workspace.export import export
from bugcommand_operator.workspace.job import job_from


def test_nothing_done_is_not_an_error_and_publishes_nothing(place: Place, remote: Remote) -> None:
    base = place.prepare()["baseCommit"]
    exported, published = place.take_out()
    assert exported == {
        "baseCommit": base,
        "headCommit": base,
        "hasChanges": False,
        "leftUncommitted": 0,
        "committedLeftovers": False,
        "otherWork": False,
        "diff": {"files": 0, "insertions": 0, "deletions": 0},
    }
    assert published["pushed"] is False
    assert remote.value(place.branch) == ""


def test_what_the_agent_committed_is_counted_and_what_it_left_is_only_counted(place: Place, remote: Remote) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "one\ntwo\n", "docs/note.md": "n\n"})
    (place.tree / "scratch.txt").write_text("left\n")
    (place.tree / "src/util.py").write_text("changed\n")
    exported, _ = place.take_out()
    assert (exported["headCommit"], exported["leftUncommitted"], exported["committedLeftovers"]) == (head, 2, False)
    assert exported["diff"] == {"files": 2, "insertions": 3, "deletions": 1}
    assert remote.value(place.branch) == head


def test_changes_without_any_commit_become_one_commit(place: Place, remote: Remote) -> None:
    base = place.prepare()["baseCommit"]
    (place.tree / "src/app.py").write_text("fixed\n")
    (place.tree / "src/util.py").unlink()
    (place.tree / "new dir").mkdir()
    (place.tree / "new dir/ü.txt").write_text("new\n")
    exported, _ = place.take_out()
    assert exported["committedLeftovers"] is True
    assert git(remote.bare, "rev-parse", f"{place.branch}^") == base
    assert remote.show(place.branch, "src/app.py") == "fixed"
    assert "src/util.py" not in remote.files(place.branch)
    assert git(remote.bare, "log", "-1", "--format=%an <%ae> %s", place.branch) == (
        "Mentu Agent <agent@mentu.invalid> Commit what the agent left uncommitted"
    )
    again, _ = place.take_out()
    assert again["headCommit"] == exported["headCommit"], (
        "the same work is the same commit, however often it is taken out"
    )


def test_ignored_files_and_mentu_are_left_out_of_what_is_committed(place: Place, remote: Remote) -> None:
    remote.commit({".gitignore": "build/\n", ".mentu/config.yaml": "a: 1\n"})
    place.prepare()
    (place.tree / "build").mkdir()
    (place.tree / "build/out.bin").write_text("x")
    (place.tree / ".mentu/config.yaml").write_text("changed\n")
    (place.tree / "fix.txt").write_text("fix\n")
    place.take_out()
    assert remote.show(place.branch, ".mentu/config.yaml") == "a: 1"
    assert git(remote.bare, "diff", "--name-only", "main", place.branch) == "fix.txt"


def test_a_commit_that_changes_mentu_is_refused_but_a_rescue_keeps_it(place: Place, remote: Remote) -> None:
    place.prepare()
    (place.tree / ".mentu").unlink()
    (place.tree / ".Mentu").mkdir()
    (place.tree / ".Mentu/genesis.key").write_text("mine\n")
    git(place.tree, "add", "-f", ".Mentu/genesis.key")
    git(place.tree, "commit", "-q", "-m", "Take over")
    failed = place.fails("export")
    assert (failed["reason"], failed["code"]) == ("MentuPathChanged", 20)
    place.take_out(publishAs="Rescue")
    assert ".Mentu/genesis.key" in remote.files(f"refs/mentu/rescue/{COMMITMENT}/1")


def test_a_rescue_holds_everything_in_one_commit_on_top(place: Place, remote: Remote) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "half\n"})
    (place.tree / "draft.txt").write_text("draft\n")
    exported, published = place.take_out(publishAs="Rescue")
    ref = f"refs/mentu/rescue/{COMMITMENT}/1"
    assert (published["ref"], published["pushed"]) == (ref, True)
    assert git(remote.bare, "rev-parse", f"{ref}^") == head
    assert remote.show(ref, "draft.txt") == "draft"
    assert remote.value(place.branch) == ""
    assert exported["committedLeftovers"] is True
    assert place.take_out(publishAs="Rescue")[1] == published


def test_a_rescue_without_a_tree_takes_the_last_checkpoint(place: Place, remote: Remote) -> None:
    place.prepare()
    (place.tree / "draft.txt").write_text("draft\n")
    git(place.tree, "add", "-A")
    tree = git(place.tree, "write-tree")
    saved = git(place.tree, "commit-tree", tree, "-p", "HEAD", "-m", "Checkpoint")
    ref = f"refs/mentu/rescue/{COMMITMENT}/1"
    git(place.tree, "update-ref", ref, saved)
    shutil.rmtree(place.tree)
    place.take_out(publishAs="Rescue")
    assert remote.show(ref, "draft.txt") == "draft"


def test_a_detached_head_that_continues_the_branch_is_what_counts(place: Place, remote: Remote) -> None:
    place.prepare()
    git(place.tree, "checkout", "-q", "--detach")
    head = place.agent_commits({"src/app.py": "detached\n"})
    assert place.take_out()[0]["headCommit"] == head


def test_another_branch_that_continues_the_branch_counts_too_and_packed_refs_are_read(
    place: Place, remote: Remote
) -> None:
    place.prepare()
    git(place.tree, "checkout", "-q", "-b", "my-idea")
    head = place.agent_commits({"src/app.py": "idea\n"})
    git(place.repo, "pack-refs", "--all")
    assert place.take_out()[0]["headCommit"] == head
    assert remote.value(place.branch) == head


def test_a_head_that_does_not_continue_the_branch_is_left_aside(place: Place) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "real\n"})
    git(place.tree, "checkout", "-q", "--orphan", "elsewhere")
    git(place.tree, "commit", "-q", "-m", "Elsewhere")
    assert place.take_out()[0]["headCommit"] == head


def test_repositories_made_inside_the_tree_do_not_stop_the_rest(place: Place, remote: Remote) -> None:
    place.prepare()
    for name in ("empty", "full"):
        git(place.tree, "init", "-q", name)
    (place.tree / "full/a.txt").write_text("a\n")
    git(place.tree / "full", "add", "-A")
    git(place.tree / "full", "commit", "-q", "-m", "Inside")
    (place.tree / "real.txt").write_text("real\n")
    place.take_out()
    assert git(remote.bare, "diff", "--name-only", "main", place.branch) == "real.txt"


def test_pipes_and_odd_names_are_no_obstacle(place: Place, remote: Remote) -> None:
    place.prepare()
    os.mkfifo(place.tree / "pipe")
    for name in ("-rf", "a\nb", ":(top)x", "*", "ä\u202e"):
        (place.tree / name).write_text("odd\n")
    Path(os.fsdecode(bytes(place.tree) + b"/\xff\xfe")).write_text("bytes\n")
    exported, _ = place.take_out()
    assert exported["diff"]["files"] == 6


def test_a_file_that_cannot_be_a_path_in_git_does_not_stop_the_rest(place: Place, remote: Remote) -> None:
    place.prepare()
    (place.tree / ".GIT").mkdir()
    (place.tree / ".GIT/config").write_text("[core]\n")
    (place.tree / "fix.txt").write_text("fix\n")
    place.take_out()
    assert git(remote.bare, "diff", "--name-only", "main", place.branch) == "fix.txt"


def hostile_script(folder: Path) -> tuple[Path, Path]:
    mark = folder / "it-ran"
    script = folder / "hostile.sh"
    script.write_text(f"#!/bin/sh\necho ran >> {mark}\ncat\n")
    script.chmod(0o755)
    return script, mark


def test_nothing_the_agent_configured_runs_while_its_work_is_taken_out(
    place: Place, tmp_path: Path, remote: Remote
) -> None:
    place.prepare()
    script, mark = hostile_script(tmp_path)
    place.agent_commits({".gitattributes": "* filter=evil diff=evil merge=evil\n", "src/app.py": "fixed\n"})
    settings = {
        "core.fsmonitor": str(script), "core.hooksPath": str(tmp_path), "core.sshCommand": str(script),
        "core.gitProxy": str(script), "core.pager": str(script), "core.alternateRefsCommand": str(script),
        "filter.evil.clean": str(script), "filter.evil.smudge": str(script), "filter.evil.process": str(script),
        "diff.evil.command": str(script), "diff.evil.textconv": str(script), "diff.external": str(script),
        "credential.helper": f"!{script}", "url.ext::sh -c evil.insteadOf": "file://",
        "gpg.program": str(script), "commit.gpgSign": "true", "uploadpack.packObjectsHook": str(script),
    }  # fmt: skip
    for key, value in settings.items():
        git(place.repo, "config", key, value)
    for hook in ("post-index-change", "reference-transaction", "pre-push", "post-checkout", "fsmonitor-watchman"):
        (tmp_path / hook).symlink_to(script)
    nested = place.tree / "sub"
    git(place.tree, "init", "-q", "sub")
    git(nested, "config", "core.fsmonitor", str(script))
    (place.tree / "left.txt").write_text("left\n")
    exported, _ = place.take_out()
    place.take_out(publishAs="Rescue")
    assert exported["leftUncommitted"] == 1
    assert not mark.exists()


def commit_inside(place: Place, name: str) -> str:
    """Makes a repository in the tree, and commits it there as a submodule."""
    inside = place.tree / name
    git(place.tree, "init", "-q", name)
    (inside / "a.txt").write_text("a\n")
    (inside / ".gitattributes").write_text("a.txt filter=evil\n")
    git(inside, "add", "-A")
    git(inside, "commit", "-q", "-m", "Inside")
    git(place.tree, "add", name)
    git(place.tree, "commit", "-q", "-m", "A submodule")
    return git(inside, "rev-parse", "HEAD")


@pytest.mark.parametrize("as_what", ["Branch", "Rescue"])
def test_nothing_that_a_committed_submodule_configures_runs_either(place: Place, tmp_path: Path, as_what: str) -> None:
    place.prepare()
    script, mark = hostile_script(tmp_path)
    commit_inside(place, "sub")
    git(place.tree / "sub", "config", "filter.evil.clean", str(script))
    (place.tree / "sub/a.txt").write_text("b\n")
    os.utime(place.tree / "sub/a.txt", (1, 1))
    (place.tree / "left.txt").write_text("left\n")
    exported = place.run("export", publishAs=as_what)
    assert (exported["leftUncommitted"], exported["committedLeftovers"]) == ((1, False), (0, True))[as_what == "Rescue"]
    assert not mark.exists()


def test_a_submodule_that_has_moved_on_or_has_become_a_file_is_kept_as_it_is(place: Place, remote: Remote) -> None:
    place.prepare()
    for name in ("moved", "replaced", "gone", "same"):
        commit_inside(place, name)
    git(place.tree / "moved", "commit", "-q", "--allow-empty", "-m", "On")
    moved = git(place.tree / "moved", "rev-parse", "HEAD")
    for name in ("replaced", "gone"):
        shutil.rmtree(place.tree / name)
    (place.tree / "replaced").write_text("a file\n")
    place.take_out(publishAs="Rescue")
    ref = f"refs/mentu/rescue/{COMMITMENT}/1"
    assert git(remote.bare, "rev-parse", f"{ref}:moved") == moved
    assert remote.show(ref, "replaced") == "a file"
    names = git(remote.bare, "ls-tree", "--name-only", ref).splitlines()
    assert ("same" in names, "gone" in names) == (True, False)


def test_a_git_file_that_points_elsewhere_is_not_followed(place: Place, tmp_path: Path, remote: Remote) -> None:
    place.prepare()
    git(tmp_path, "init", "-q", "evil")
    (tmp_path / "evil/secret.txt").write_text("secret\n")
    git(tmp_path / "evil", "add", "-A")
    git(tmp_path / "evil", "commit", "-q", "-m", "Secret")
    (place.tree / ".git").write_text(f"gitdir: {tmp_path}/evil/.git\n")
    (place.tree / "fix.txt").write_text("fix\n")
    place.take_out()
    assert git(remote.bare, "diff", "--name-only", "main", place.branch) == "fix.txt"


@pytest.mark.parametrize("name", [".git", ".git/objects"])
def test_a_repository_that_is_a_link_is_refused(place: Place, tmp_path: Path, name: str) -> None:
    place.prepare()
    moved = tmp_path / "moved"
    (place.repo / name).rename(moved)
    (place.repo / name).symlink_to(moved)
    assert place.fails("export")["reason"] == "ExportFailed"


def test_borrowing_objects_from_elsewhere_is_refused(place: Place, tmp_path: Path) -> None:
    place.prepare()
    alternates = place.repo / ".git/objects/info/alternates"
    alternates.write_text(f"{place.mirror_git}/objects\n{tmp_path}/elsewhere\n")
    assert place.fails("export")["reason"] == "ExportFailed"
    alternates.unlink()
    os.mkfifo(alternates)
    assert place.fails("export")["reason"] == "ExportFailed"


def test_a_repository_that_no_longer_borrows_is_fine(place: Place, remote: Remote) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"})
    git(place.repo, "repack", "-a", "-d", "-q")
    (place.repo / ".git/objects/info/alternates").unlink()
    assert place.take_out()[1]["headCommit"] == head


@pytest.mark.parametrize("kind", ["link", "pipe", "huge", "garbage", "missing"])
def test_a_branch_that_cannot_be_read_leaves_the_files_as_the_work(
    place: Place, remote: Remote, tmp_path: Path, kind: str
) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    ref = place.repo / f".git/{place.branch}"
    ref.unlink()
    if kind == "link":
        ref.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(ref)
    elif kind == "huge":
        ref.write_text("a" * 100_000)
    elif kind == "garbage":
        ref.write_text("f" * 40 + "\n")
    exported, _ = place.take_out()
    assert exported["committedLeftovers"] is True
    assert remote.show(place.branch, "src/app.py") == "fixed"


def test_damaged_objects_of_the_agent_end_the_export_with_a_reason(place: Place) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    blob = git(place.tree, "rev-parse", "HEAD:src/app.py")
    path = place.repo / f".git/objects/{blob[:2]}/{blob[2:]}"
    path.chmod(0o644)
    path.write_bytes(b"garbage")
    assert place.fails("export")["reason"] == "ExportFailed", "the mirror has nothing to do with it"


def test_an_object_that_never_comes_is_no_remote_that_cannot_be_reached(place: Place) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"})
    path = place.repo / f".git/objects/{head[:2]}/{head[2:]}"
    path.unlink()
    os.mkfifo(path)
    job = job_from(place.environ())
    with pytest.raises(ExportFailed, match="timed out") as failed:
        export(job._replace(git=job.git._replace(local_seconds=0.5)))
    assert failed.value.exit_code == Transient.exit_code, "a slow volume is tried again"
    assert "remote" not in str(failed.value)


def test_grafts_replacements_and_a_shallow_file_of_the_agent_change_nothing(place: Place, remote: Remote) -> None:
    base = place.prepare()["baseCommit"]
    head = place.agent_commits({"src/app.py": "fixed\n"})
    decoy = git(place.tree, "commit-tree", f"{base}^{{tree}}", "-m", "Decoy")
    git(place.repo, "replace", head, decoy)
    (place.repo / ".git/info/grafts").write_text(f"{head}\n")
    (place.repo / ".git/shallow").write_text(f"{head}\n")
    exported, _ = place.take_out()
    assert exported["diff"]["files"] == 1
    assert git(remote.bare, "rev-parse", f"{place.branch}^") == base


def test_without_a_mirror_the_work_comes_out_just_the_same(place: Place, remote: Remote) -> None:
    place.mirror.rmdir()
    place.prepare(mirror=False)
    head = place.agent_commits({"src/app.py": "fixed\n"})
    _, published = place.take_out(mirror=False)
    assert published == {"branch": f"bug/{COMMITMENT}", "headCommit": head, "pushed": True}
    assert remote.value(place.branch) == head


def test_the_base_that_the_operator_knows_wins_over_the_note_on_the_volume(place: Place) -> None:
    base = place.prepare()["baseCommit"]
    made = place.agent_commits({"src/app.py": "sneaky\n"})
    (place.workspace / f"state/base-{place.request['commandId']}").write_text(made)
    assert place.run("export", baseCommit=base)["diff"]["files"] == 1


def test_the_manifest_is_what_the_export_reported(place: Place) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    exported = place.run("export")
    assert json.loads((place.folder / "export/manifest.json").read_text()) == exported
    assert sorted(path.name for path in (place.folder / "export").iterdir()) == ["manifest.json", "work.bundle"]


def test_the_volume_is_only_read(place: Place) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    (place.tree / "left.txt").write_text("left\n")
    before = snapshot(place.workspace)
    place.run("export")
    place.run("export", publishAs="Rescue")
    assert snapshot(place.workspace) == before


@pytest.mark.parametrize("as_what", ["Branch", "Rescue"])
def test_a_command_that_never_had_a_tree_has_nothing_to_take_out(place: Place, as_what: str) -> None:
    exported, published = place.take_out(publishAs=as_what)
    assert (exported["hasChanges"], exported["headCommit"], published["pushed"]) == (False, None, False)
    (place.repo / ".git.building").mkdir(parents=True)
    assert place.take_out(publishAs=as_what)[0]["hasChanges"] is False


def test_a_repository_whose_note_is_gone_is_not_taken_for_an_empty_one(place: Place) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    (place.workspace / f"state/base-{place.request['commandId']}").unlink()
    assert place.fails("export")["reason"] == "ExportFailed"


def test_a_creation_time_that_is_no_date_does_not_lose_the_work(place: Place, remote: Remote) -> None:
    place.prepare()
    (place.tree / "fix.txt").write_text("fix\n")
    first = place.run("export", createdAt="yesterday")
    assert place.run("export", createdAt="")["headCommit"] == first["headCommit"]
