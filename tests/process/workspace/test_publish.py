"""What may be pushed, and what a push that goes wrong leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.process.workspace.conftest import COMMITMENT, Place, Remote, git

from bugcommand_operator.workspace.main import run
from bugcommand_operator.workspace.publish import work_of_bundle

SCOPE = {"allowedPatterns": ["src/**"], "forbiddenPatterns": ["src/secret*"], "maxFileChanges": 2}


def test_the_branch_is_pushed_once_and_a_second_push_of_the_same_is_a_success(place: Place, remote: Remote) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"})
    _, published = place.take_out(scope=SCOPE)
    assert published == {"branch": f"bug/{COMMITMENT}", "headCommit": head, "pushed": True}
    assert place.run("publish") == published
    assert remote.value(place.branch) == head


@pytest.mark.parametrize("as_what", ["Branch", "Rescue"])
@pytest.mark.parametrize("subject", ["Füge Prüfung hinzu", "long " * 14_000, "folded\nover\nlines " * 3_000])
def test_the_subject_of_the_base_commit_does_not_matter(
    place: Place, remote: Remote, subject: str, as_what: str
) -> None:
    remote.commit({"newer.txt": "n\n"}, message=subject)
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"}, message="Prüfung repariert")
    assert place.take_out(publishAs=as_what)[1]["headCommit"] == head


@pytest.mark.parametrize("mirror", [True, False])
def test_a_blemish_of_an_old_history_keeps_no_work_from_its_remote(place: Place, remote: Remote, mirror: bool) -> None:
    tree = git(remote.bare, "rev-parse", "main^{tree}")
    old = f"tree {tree}\nauthor A <a@example.test> 1 +051800\ncommitter A <a@example.test> 1 +051800\n\nOld\n"
    base = git(remote.bare, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=old)
    git(remote.bare, "update-ref", "refs/heads/main", base)
    if not mirror:
        place.mirror.rmdir()
    place.prepare(mirror=mirror)
    head = place.agent_commits({"src/app.py": "fixed\n"})
    assert place.take_out(mirror=mirror)[1]["headCommit"] == head


@pytest.mark.parametrize(
    "header",
    [
        b"# v2 git bundle\n%s refs/heads/work",
        b"# v2 git bundle\n%s refs/heads/other\n\n",
        b"# v2 git bundle\n%s refs/heads/work\n%s refs/heads/work\n\n",
        b"# v2 git bundle\n-%s refs/heads/work\n\n",
        b"%s refs/heads/work\n\n",
    ],
)
def test_a_header_of_anything_but_one_branch_is_no_bundle(header: bytes) -> None:
    with pytest.raises(ValueError, match="not a bundle"):
        work_of_bundle(header.replace(b"%s", b"a" * 40))


def test_a_later_attempt_pushes_on_from_where_an_earlier_one_had_pushed_to(place: Place, remote: Remote) -> None:
    place.prepare()
    first = place.agent_commits({"src/app.py": "half fixed\n"})
    place.take_out()
    place.prepare(attempt=2)
    second = place.agent_commits({"src/app.py": "fixed\n"})
    later = {"attempt": 2, "publishedCommit": first}
    assert place.take_out(**later)[1]["headCommit"] == second
    assert place.run("publish", **later)["headCommit"] == second, "once more, for its answer may have been lost"
    assert remote.value(place.branch) == second


def test_a_later_attempt_pushes_on_although_nobody_has_heard_of_the_earlier_push(place: Place, remote: Remote) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "half fixed\n"})
    place.take_out()
    second = place.agent_commits({"src/app.py": "fixed\n"})
    place.take_out(attempt=2)
    assert remote.value(place.branch) == second


def test_nor_need_anybody_have_heard_of_the_last_of_several(place: Place, remote: Remote) -> None:
    place.prepare()
    first = place.agent_commits({"src/app.py": "half fixed\n"})
    place.take_out()
    place.agent_commits({"src/app.py": "nearly fixed\n"})
    place.take_out(attempt=2, publishedCommit=first)
    third = place.agent_commits({"src/app.py": "fixed\n"})
    place.take_out(attempt=3, publishedCommit=first)
    assert remote.value(place.branch) == third


def test_a_branch_at_the_base_is_not_taken_for_an_earlier_attempt_s(place: Place, remote: Remote) -> None:
    place.prepare()
    git(remote.bare, "update-ref", place.branch, place.note)
    place.agent_commits({"src/app.py": "fixed\n"})
    place.run("export", attempt=2)
    assert place.fails("publish", attempt=2)["reason"] == "PushRejected"
    assert remote.value(place.branch) == place.note


def test_a_branch_that_was_deleted_since_an_earlier_attempt_pushed_it_is_pushed_anew(
    place: Place, remote: Remote
) -> None:
    place.prepare()
    first = place.agent_commits({"src/app.py": "half fixed\n"})
    place.take_out()
    git(remote.bare, "update-ref", "-d", place.branch)
    second = place.agent_commits({"src/app.py": "fixed\n"})
    place.take_out(attempt=2, publishedCommit=first)
    assert remote.value(place.branch) == second


def test_what_each_attempt_leaves_uncommitted_is_committed_one_on_top_of_the_other(
    place: Place, remote: Remote
) -> None:
    place.prepare()
    (place.tree / "src/app.py").write_text("half fixed\n")
    first = place.take_out()[1]["headCommit"]
    later = {"attempt": 2, "publishedCommit": first}
    assert place.take_out(**later)[1]["headCommit"] == first, "nothing came to it"
    (place.tree / "src/app.py").write_text("fixed\n")
    second = place.take_out(**later)[1]["headCommit"]
    assert place.run("publish", **later)["headCommit"] == second, "once more, for its answer may have been lost"
    assert remote.value(place.branch) == second
    assert git(remote.bare, "rev-parse", f"{second}~1") == first
    assert git(remote.bare, "show", f"{second}:src/app.py") == "fixed"


def test_what_an_earlier_attempt_has_pushed_is_never_taken_back(place: Place, remote: Remote) -> None:
    place.prepare()
    first = place.agent_commits({"src/app.py": "half fixed\n"})
    place.take_out()
    git(place.tree, "reset", "-q", "--hard", "HEAD~1")
    place.agent_commits({"src/app.py": "fixed otherwise\n"})
    place.run("export", attempt=2, publishedCommit=first)
    assert place.fails("publish", attempt=2, publishedCommit=first)["reason"] == "PushRejected"
    assert remote.value(place.branch) == first


@pytest.mark.parametrize("change", ["ahead", "behind"])
def test_a_branch_that_is_somewhere_else_already_is_left_alone(place: Place, remote: Remote, change: str) -> None:
    place.prepare()
    theirs = remote.commit({"theirs.txt": "t\n"}, branch=f"bug/{COMMITMENT}")
    if change == "behind":
        theirs = place.note
        git(remote.bare, "update-ref", place.branch, theirs)
    place.agent_commits({"src/app.py": "fixed\n"})
    place.run("export")
    failed = place.fails("publish")
    assert (failed["reason"], failed["code"]) == ("PushRejected", 20)
    assert theirs in failed["message"]
    assert remote.value(place.branch) == theirs


@pytest.mark.parametrize(
    "files",
    [{"README.md": "outside\n"}, {"src/secret.txt": "forbidden\n"}, {f"src/{n}.py": "many\n" for n in range(3)}],
)
def test_work_outside_the_scope_is_not_pushed_but_can_be_rescued(
    place: Place, remote: Remote, files: dict[str, str]
) -> None:
    place.prepare()
    place.agent_commits(files)
    place.run("export", scope=SCOPE)
    failed = place.fails("publish", scope=SCOPE)
    assert (failed["reason"], failed["code"]) == ("ScopeViolated", 20)
    assert next(iter(files)) in failed["message"]
    assert remote.value(place.branch) == ""
    place.take_out(scope=SCOPE, publishAs="Rescue")
    assert remote.value(f"refs/mentu/rescue/{COMMITMENT}/1")


def test_a_rename_out_of_a_forbidden_place_is_a_change_there(place: Place, remote: Remote) -> None:
    remote.commit({"src/secret.txt": "a long enough line to be found as a rename\n"})
    place.prepare()
    git(place.tree, "mv", "src/secret.txt", "src/open.txt")
    git(place.tree, "commit", "-q", "-m", "Move")
    place.run("export")
    assert place.fails("publish", scope=SCOPE)["reason"] == "ScopeViolated"


def test_work_that_does_not_continue_the_base_is_refused(place: Place, remote: Remote) -> None:
    base = place.prepare()["baseCommit"]
    git(place.tree, "checkout", "-q", "--orphan", "fresh")
    place.agent_commits({"src/app.py": "fixed\n"}, "A history of its own")
    git(place.tree, "branch", "-f", f"bug/{COMMITMENT}", "fresh")
    place.run("export")
    assert place.fails("publish")["reason"] == "PushRejected"
    assert place.fails("publish", baseCommit=base)["reason"] == "PushRejected"
    assert remote.value(place.branch) == ""


def test_mentu_is_judged_again_on_arrival(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.prepare()
    (place.tree / ".mentu").unlink()
    (place.tree / ".mentu").mkdir()
    (place.tree / ".mentu/x").write_text("x\n")
    git(place.tree, "add", "-f", ".mentu/x")
    git(place.tree, "commit", "-q", "-m", "Sneak in")
    monkeypatch.setattr("bugcommand_operator.workspace.export.mentu_paths_problem", lambda _: "")
    place.run("export")
    assert place.fails("publish")["reason"] == "MentuPathChanged"


def test_a_tree_with_a_name_that_git_would_not_accept_is_not_pushed(
    place: Place, remote: Remote, tmp_path: Path
) -> None:
    base = place.prepare()["baseCommit"]
    blob = git(place.tree, "hash-object", "-w", "--stdin")
    listing = tmp_path / "tree"
    for name in (".git", ".GIT", "..", "a/b"):
        raw = f"100644 {name}\0".encode() + bytes.fromhex(blob)
        listing.write_bytes(raw)
        tree = git(place.tree, "hash-object", "-t", "tree", "-w", "--literally", str(listing))
        head = git(place.tree, "commit-tree", tree, "-p", base, "-m", "Hostile")
        git(place.tree, "update-ref", place.branch, head)
        code, result = run(["export"], place.environ())
        if code == 0:
            code, result = run(["publish"], place.environ())
        assert (code, result["reason"]) == (20, "ExportFailed"), name
    assert remote.value(place.branch) == ""


def test_a_submodule_that_reaches_outside_is_not_pushed(place: Place, remote: Remote) -> None:
    place.prepare()
    (place.tree / ".gitmodules").write_text('[submodule "../evil"]\n\tpath = x\n\turl = --upload-pack=evil\n')
    git(place.tree, "add", ".gitmodules")
    git(place.tree, "commit", "-q", "-m", "Hostile")
    place.run("export")
    assert place.fails("publish")["reason"] == "ExportFailed"


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 5000, '{"hasChanges": true}'])
def test_a_manifest_or_bundle_that_makes_no_sense_is_a_failed_export(place: Place, content: str) -> None:
    place.prepare()
    (place.folder / "export/manifest.json").write_text(content)
    (place.folder / "export/work.bundle").write_text("# v2 git bundle\n")
    assert place.fails("publish")["reason"] == "ExportFailed"


def test_a_forged_manifest_cannot_choose_what_is_pushed(place: Place, remote: Remote) -> None:
    place.prepare()
    head = place.agent_commits({"src/app.py": "fixed\n"})
    place.run("export")
    path = place.folder / "export/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "headCommit": "f" * 40, "baseCommit": head}))
    assert place.run("publish", scope=SCOPE)["headCommit"] == head


def test_a_base_branch_that_moved_on_or_was_rewritten_does_not_matter(
    place: Place, remote: Remote, another_place: Callable[[str], Place]
) -> None:
    base = place.prepare()["baseCommit"]
    head = place.agent_commits({"src/app.py": "fixed\n"})
    remote.commit({"newer.txt": "n\n"})
    another_place("second").prepare()
    assert place.take_out(scope=SCOPE)[1]["headCommit"] == head
    git(remote.bare, "update-ref", "-d", place.branch)
    git(remote.clone, "checkout", "-q", "--orphan", "rewritten")
    remote.commit({"other.txt": "o\n"})
    another_place("third").prepare()
    place.run("export", baseCommit=base)
    assert place.run("publish", scope=SCOPE, baseCommit=base)["headCommit"] == head


def test_a_hook_of_the_remote_that_says_no_is_told_with_its_words(place: Place, remote: Remote) -> None:
    place.prepare()
    place.agent_commits({"src/app.py": "fixed\n"})
    hook = remote.bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'branches need a ticket' >&2\nexit 1\n")
    hook.chmod(0o755)
    place.run("export")
    failed = place.fails("publish")
    assert failed["reason"] == "PushRejected"
    assert "branches need a ticket" in failed["message"]
