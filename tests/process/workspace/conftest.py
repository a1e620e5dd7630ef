"""A place to run `mentu-workspace` in: a remote with commits, volumes as folders, and git for the test's own use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bugcommand_operator.workspace.main import run

COMMITMENT = "cmt_fix_login"
COMMAND_ID = "0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01"
IDENTITY = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.test"}
TEST_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **IDENTITY,
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.test",
}


def git(folder: Path, *arguments: str, stdin: str = "", **env: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env={**TEST_ENV, **env}, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


def snapshot(folder: Path) -> dict[str, str | bytes]:
    """Every file and link below a folder, but the index (which holds times)."""
    found: dict[str, str | bytes] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and path.name != "index":
            found[name] = path.read_bytes()
    return found


class Remote:
    """A bare repository and a clone to make commits with."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "remote.git"
        self.clone = folder / "clone"
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.bare))
        git(folder, "init", "-q", "-b", "main", str(self.clone))
        git(self.clone, "remote", "add", "origin", str(self.bare))
        self.commit({"README.md": "hello\n", "src/app.py": "print('bug')\n", "src/util.py": "x = 1\n"})

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def commit(self, files: Mapping[str, str | None], branch: str = "main", message: str = "A change") -> str:
        for name, text in files.items():
            path = self.clone / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.clone, "add", "-A", "-f")
        git(self.clone, "commit", "-q", "-F", "-", stdin=message)
        git(self.clone, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.clone, "rev-parse", "HEAD")

    def value(self, ref: str) -> str:
        return git(self.bare, "for-each-ref", "--format=%(objectname)", ref)

    def show(self, ref: str, path: str) -> str:
        return git(self.bare, "show", f"{ref}:{path}")

    def files(self, ref: str) -> list[str]:
        return git(self.bare, "ls-tree", "-r", "--name-only", ref).splitlines()


class Place:
    """The volumes of one command, and the steps that run on them."""

    def __init__(self, folder: Path, url: str, mirror: Path | None = None) -> None:
        self.folder = folder
        self.request: dict[str, Any] = {
            "name": "fix-login",
            "namespace": "team",
            "commandId": COMMAND_ID,
            "commitmentId": COMMITMENT,
            "attempt": 1,
            "repository": "shop",
            "url": url,
            "baseRef": "",
            "defaultBranch": "",
            "workingDirectory": "",
            "withWorktree": True,
            "mirror": True,
            "genesisPolicy": "Allow",
            "actor": "agent:executor",
            "identity": {"name": "Mentu Agent", "email": "agent@mentu.invalid"},
            "createdAt": "2026-01-02T03:04:05+00:00",
            "output": "Branch",
            "scope": None,
            "publishAs": "Branch",
        }
        self.env = {"MENTU_PROMPT": "Fix the login", "MENTU_CONTEXT": "", "MENTU_ALLOW_FILE_PROTOCOL": "1"}
        self.mirror = mirror or folder / "mirror"
        for name in ("workspace", "export", "tools", "credentials", "scratch"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.mirror.mkdir(exist_ok=True)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def repo(self) -> Path:
        return self.workspace / "repo"

    @property
    def tree(self) -> Path:
        return (
            self.repo / ".worktrees" / str(self.request["commitmentId"]) if self.request["withWorktree"] else self.repo
        )

    @property
    def mirror_git(self) -> Path:
        return self.mirror / "repo.git"

    @property
    def branch(self) -> str:
        return f"refs/heads/bug/{self.request['commitmentId']}"

    @property
    def note(self) -> str:
        return (self.workspace / "state" / f"base-{self.request['commandId']}").read_text().strip()

    def environ(self, **changes: Any) -> dict[str, str]:
        return {
            **self.env,
            "PATH": os.environ["PATH"],
            "MENTU_WORKSPACE": json.dumps({**self.request, **changes}),
            "MENTU_WORKSPACE_DIR": str(self.workspace),
            "MENTU_MIRROR_DIR": str(self.mirror),
            "MENTU_EXPORT_DIR": str(self.folder / "export"),
            "MENTU_TOOLS_DIR": str(self.folder / "tools"),
            "MENTU_CREDENTIALS_DIR": str(self.folder / "credentials"),
            "MENTU_SCRATCH_DIR": str(self.folder / "scratch"),
            "MENTU_TERMINATION_LOG": str(self.folder / "termination-log"),
        }

    def run(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        code, result = run(arguments, self.environ(**changes))
        assert code == 0, result
        return result

    def fails(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        code, result = run(arguments, self.environ(**changes))
        assert code != 0, result
        return {**result, "code": code}

    def start(self, *arguments: str, **changes: Any) -> subprocess.Popen[str]:
        """The program as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "bugcommand_operator.workspace", *arguments],
            env={**self.environ(**changes), "PYTHONPATH": "operator"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def prepare(self, **changes: Any) -> dict[str, Any]:
        return self.run("prepare", "--fetch", **changes)

    def take_out(self, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.run("export", **changes), self.run("publish", **changes)

    def agent_commits(self, files: Mapping[str, str], message: str = "Fix it") -> str:
        for name, text in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.tree, "add", "-A")
        git(self.tree, "commit", "-q", "-m", message)
        return git(self.tree, "rev-parse", "HEAD")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    folder = tmp_path / "remote"
    folder.mkdir()
    return Remote(folder)


@pytest.fixture
def place(tmp_path: Path, remote: Remote) -> Place:
    return Place(tmp_path / "place", remote.url)


@pytest.fixture
def another_place(tmp_path: Path, remote: Remote, place: Place) -> Callable[[str], Place]:
    """Another command of the same Repository, on the same mirror."""

    def make(name: str) -> Place:
        made = Place(tmp_path / name, remote.url, mirror=place.mirror)
        made.request["commitmentId"] = f"cmt_{name}"
        made.request["commandId"] = f"{name}-{COMMAND_ID}"
        return made

    return make
