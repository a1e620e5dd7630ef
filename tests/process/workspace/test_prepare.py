"""What an agent finds when it starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.process.workspace.conftest import COMMITMENT, Place, Remote, git

from bugcommand_operator.workspace import main as workspace


def test_the_tree_is_the_base_commit_on_its_own_branch(place: Place, remote: Remote) -> None:
    base = remote.value("refs/heads/main")
    result = place.prepare()
    assert result["baseCommit"] == base
    assert result["branch"] == f"bug/{COMMITMENT}"
    assert result["workingDirectory"] == str(place.tree)
    assert set(result["seconds"]) == {"fetch", "worktree", "context"}
    assert (place.tree / "src/app.py").read_text() == "print('bug')\n"
    assert git(place.tree, "symbolic-ref", "HEAD") == place.branch
    assert git(place.tree, "rev-parse", "HEAD", "origin/HEAD").split() == [base, base]
    assert git(place.tree, "status", "--porcelain") == ""
    assert git(place.tree, "fsck", "--strict") == ""


def test_a_commit_made_in_the_tree_stays_in_the_commands_own_repository(place: Place, remote: Remote) -> None:
    place.prepare()
    made = place.agent_commits({"src/app.py": "fixed\n"})
    assert git(place.tree, "log", "-1", "--format=%an <%ae>", "--no-show-signature").startswith("Ada")
    assert git(place.repo, "rev-parse", place.branch) == made
    assert git(place.mirror_git, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(place.tree, "config", "user.email") == "agent@mentu.invalid"
    assert git(place.tree, "config", "commit.gpgsign") == "false"


@pytest.mark.parametrize("wanted", ["v1", "refs/tags/v1", "annotated", "feature/x", "refs/heads/feature/x"])
def test_branches_and_tags_of_any_kind_can_be_the_base(place: Place, remote: Remote, wanted: str) -> None:
    first = remote.value("refs/heads/main")
    git(remote.clone, "tag", "v1")
    git(remote.clone, "tag", "-a", "-m", "A tag", "annotated")
    git(remote.clone, "push", "-q", "origin", "v1", "annotated", "HEAD:refs/heads/feature/x")
    remote.commit({"later.txt": "later\n"})
    assert place.prepare(baseRef=wanted)["baseCommit"] == first
    assert not (place.tree / "later.txt").exists()


def test_a_full_commit_id_can_be_the_base_and_needs_no_network_the_second_time(
    place: Place, remote: Remote, another_place: Any
) -> None:
    first = remote.value("refs/heads/main")
    remote.commit({"later.txt": "later\n"})
    assert place.prepare(baseRef=first)["baseCommit"] == first
    remote.bare.rename(remote.bare.with_suffix(".gone"))
    assert another_place("second").prepare(baseRef=first)["baseCommit"] == first


def test_the_default_branch_of_the_remote_is_followed_when_it_changes(
    place: Place, remote: Remote, another_place: Any
) -> None:
    place.prepare()
    newer = remote.commit({"new.txt": "new\n"}, branch="trunk")
    git(remote.bare, "symbolic-ref", "HEAD", "refs/heads/trunk")
    assert another_place("second").prepare()["baseCommit"] == newer


def test_the_default_branch_of_the_repository_resource_wins_over_the_remotes(place: Place, remote: Remote) -> None:
    other = remote.commit({"other.txt": "other\n"}, branch="develop")
    assert place.prepare(defaultBranch="develop")["baseCommit"] == other


def test_fetch_and_prepare_can_be_two_containers(place: Place, remote: Remote) -> None:
    base = remote.commit({"a.txt": "a\n"}, branch="topic")
    assert place.run("fetch", baseRef="topic") == {"baseCommit": base}
    assert place.run("prepare", baseRef="topic")["baseCommit"] == base


def test_without_a_mirror_the_command_owns_all_its_objects(place: Place, remote: Remote) -> None:
    remote.commit({"b.txt": "b\n"})
    place.mirror.rmdir()
    place.prepare(mirror=False)
    assert not (place.repo / ".git/objects/info/alternates").exists()
    assert git(place.tree, "rev-list", "--count", "HEAD") == "2"
    assert git(place.tree, "fsck", "--strict") == ""
    assert not (place.workspace / "clone").exists()


def test_the_working_directory_is_used_exactly_as_given(place: Place) -> None:
    assert place.prepare(workingDirectory="src")["workingDirectory"] == f"{place.tree}/src"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("nowhere", "WorkingDirectoryNotFound"),
        ("src/app.py", "WorkingDirectoryNotFound"),
        ("../../etc", "WorkingDirectoryOutsideTree"),
        ("src/../..", "WorkingDirectoryOutsideTree"),
        ("/etc", "WorkingDirectoryOutsideTree"),
        ("out", "WorkingDirectoryOutsideTree"),
        (".mentu", "WorkingDirectoryOutsideTree"),
    ],
)
def test_a_working_directory_that_is_missing_or_outside_is_refused(
    place: Place, remote: Remote, wanted: str, reason: str
) -> None:
    (remote.clone / "out").symlink_to("/etc")
    remote.commit({"c.txt": "c\n"})
    failed = place.fails("prepare", "--fetch", workingDirectory=wanted)
    assert (failed["reason"], failed["code"]) == (reason, 20)


def test_mentu_is_a_relative_link_to_the_commands_own_folder(place: Place) -> None:
    place.prepare()
    assert str((place.tree / ".mentu").readlink()) == "../../.mentu"
    assert f"mentu claim {COMMITMENT}" in (place.tree / ".mentu/bug-context.md").read_text()
    features = json.loads((place.tree / f".mentu/feature_lists/{COMMITMENT}.json").read_text())
    assert features["$schema"] == "feature-list-v1"
    assert features["features"] == [{"id": "F001", "description": "Fix the login", "passes": False, "evidence": None}]


def test_tracked_mentu_files_are_copied_and_can_neither_be_added_nor_deleted(place: Place, remote: Remote) -> None:
    remote.commit({".mentu/config.yaml": "a: 1\n", ".mentu/deep/er/notes.md": "n\n", ".mentu/run.sh": "#!/bin/sh\n"})
    (remote.clone / ".mentu/link").symlink_to("/etc/passwd")
    remote.commit({"d.txt": "d\n"})
    place.prepare()
    assert (place.repo / ".mentu/config.yaml").read_text() == "a: 1\n"
    assert (place.repo / ".mentu/deep/er/notes.md").read_text() == "n\n"
    assert not os.path.lexists(place.repo / ".mentu/link")
    (place.tree / ".mentu/config.yaml").write_text("changed\n")
    (place.tree / ".mentu/more.txt").write_text("more\n")
    assert git(place.tree, "status", "--porcelain") == ""
    place.agent_commits({"src/app.py": "fixed\n"})
    assert git(place.tree, "diff", "--name-only", "HEAD~1", "HEAD") == "src/app.py"
    assert ".mentu/config.yaml" in git(place.tree, "ls-tree", "-r", "--name-only", "HEAD")


def test_the_runner_is_brought_along_and_nothing_else(place: Place) -> None:
    place.prepare()
    package = place.folder / "tools/lib/bugcommand_operator"
    copied = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    assert Path("__init__.py") in copied
    assert Path("runner/__main__.py") in copied
    assert {path.parts[0] for path in copied} == {"__init__.py", "runner"}
    assert {path.suffix for path in copied} <= {".py", ".pyc"}


def test_certificates_of_the_installation_are_put_beside_the_runner_for_the_agent(place: Place) -> None:
    given = {**place.environ(), "MENTU_AGENT_CA_BUNDLE": "-----BEGIN CERTIFICATE-----\nours\n"}
    code, result = workspace.run(["prepare", "--fetch"], given)
    assert code == 0, result
    text = (place.folder / "tools/ca-certificates.crt").read_text()
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    assert text == "-----BEGIN CERTIFICATE-----\nours\n" + (system.read_text() if system.exists() else "")


def test_a_repository_that_is_none_a_ref_that_is_missing_and_an_empty_remote_each_say_so(
    place: Place, remote: Remote, tmp_path: Path
) -> None:
    assert place.fails("prepare", "--fetch", baseRef="nope")["reason"] == "BaseRefNotFound"
    assert place.fails("prepare", "--fetch", baseRef="0" * 40)["reason"] == "BaseRefNotFound"
    (tmp_path / "plain").mkdir()
    assert place.fails("prepare", "--fetch", url=f"file://{tmp_path}/plain")["reason"] == "NotAGitRepository"
    git(tmp_path, "init", "-q", "--bare", str(tmp_path / "empty.git"))
    assert place.fails("prepare", "--fetch", url=f"file://{tmp_path}/empty.git")["reason"] == "BaseRefNotFound"


@pytest.mark.parametrize(
    "name",
    [
        "-u",
        "--upload-pack=touch /tmp/x",
        "--template=/tmp",
        "a..b",
        "main@{1}",
        "a b",
        "a\nb",
        "x.lock",
        "HEAD^",
        "a:b",
        "/a",
    ],
)
def test_a_ref_name_that_git_could_read_as_something_else_is_refused(place: Place, name: str) -> None:
    for key in ("baseRef", "defaultBranch"):
        assert place.fails("prepare", "--fetch", **{key: name})["reason"] == "BaseRefNotFound"
    assert not place.mirror_git.exists()


GENESIS = """
genesis: {version: "1.0", created: "2026-01-01T00:00:00Z"}
identity: {workspace: shop, owner: ada}
permissions:
  actors:
    "agent:executor": {operations: [%s], author_type: executor}
"""


@pytest.mark.parametrize(
    ("key", "policy", "expected"),
    [
        (GENESIS % "capture, execute", "Deny", "Allowed"),
        (GENESIS % "capture", "Allow", "PermissionDenied"),
        ("genesis: [", "Allow", "GenesisMalformed"),
        (None, "Allow", "Missing"),
        (None, "Deny", "GenesisMissing"),
    ],
)
def test_the_genesis_key_of_the_base_commit_decides(
    place: Place, remote: Remote, key: str | None, policy: str, expected: str
) -> None:
    if key:
        remote.commit({".mentu/genesis.key": key})
    if expected in ("Allowed", "Missing"):
        assert place.prepare(genesisPolicy=policy)["genesis"] == expected
        return
    failed = place.fails("prepare", "--fetch", genesisPolicy=policy)
    assert (failed["reason"], failed["code"]) == (expected, 20)
    assert not (place.repo / ".git").exists(), "a refused command leaves no tree to work in"


def test_a_genesis_key_that_is_a_link_a_folder_or_huge_refuses(place: Place, remote: Remote) -> None:
    key = remote.clone / ".mentu/genesis.key"
    key.parent.mkdir()
    key.symlink_to("/etc/passwd")
    remote.commit({"e.txt": "e\n"})
    assert place.fails("prepare", "--fetch")["reason"] == "GenesisMalformed"
    key.unlink()
    remote.commit({".mentu/genesis.key/x": "x\n"})
    assert place.fails("prepare", "--fetch")["reason"] == "GenesisMalformed"
    git(remote.clone, "rm", "-q", "-r", ".mentu")
    remote.commit({".mentu/genesis.key": "# " + "x" * 100_000})
    assert place.fails("prepare", "--fetch")["reason"] == "GenesisMalformed"
    git(remote.clone, "rm", "-q", "-r", ".mentu")
    remote.commit({".mentu": "not a folder\n"})
    assert place.fails("prepare", "--fetch")["reason"] == "GenesisMalformed"


@pytest.mark.parametrize("policy", ["Allow", "Deny"])
@pytest.mark.parametrize("entry", ["160000,{commit},.mentu", "160000,{commit},.mentu/genesis.key"])
def test_a_submodule_where_the_genesis_key_would_be_refuses(
    place: Place, remote: Remote, entry: str, policy: str
) -> None:
    commit = git(remote.clone, "rev-parse", "HEAD")
    git(remote.clone, "update-index", "--add", "--cacheinfo", entry.format(commit="1" * 40))
    git(remote.clone, "commit", "-q", "-m", "A submodule")
    git(remote.clone, "push", "-q", "origin", "HEAD:main")
    assert git(remote.clone, "rev-parse", "HEAD~") == commit
    assert place.fails("prepare", "--fetch", genesisPolicy=policy)["reason"] == "GenesisMalformed"
    assert not (place.repo / ".git").exists()


def test_the_agents_own_genesis_key_is_never_read(place: Place, remote: Remote) -> None:
    remote.commit({".mentu/genesis.key": GENESIS % "capture"})
    place.fails("prepare", "--fetch")
    (place.repo / ".mentu").mkdir(parents=True, exist_ok=True)
    (place.repo / ".mentu/genesis.key").write_text(GENESIS % "execute")
    assert place.fails("prepare", "--fetch", attempt=2)["reason"] == "PermissionDenied"


def test_a_few_objects_that_name_a_million_folders_of_mentu_are_refused(place: Place, remote: Remote) -> None:
    tree = git(remote.clone, "mktree", stdin="")
    for _ in range(10):
        listing = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = git(remote.clone, "mktree", stdin=listing)
    root = git(remote.clone, "ls-tree", "HEAD") + f"\n040000 tree {tree}\t.mentu\n"
    base = git(remote.clone, "commit-tree", git(remote.clone, "mktree", stdin=root), "-p", "HEAD", "-m", "Folders")
    git(remote.clone, "push", "-q", "origin", f"{base}:refs/heads/main")
    failed = place.fails("prepare", "--fetch")
    assert (failed["reason"], failed["code"]) == ("VolumeFull", 20)
    assert "folders" in failed["message"]
