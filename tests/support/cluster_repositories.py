"""The repositories on the git server of the tests: what is pushed at the start, and how to see what became of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.demo.kubectl import Kubectl
from dev.demo.seed import Git
from dev.demo.settings import EXAMPLES
from dev.gitserver.access import GitAccess
from tests.support.cluster_objects import SERVERS

DENYING = """
genesis: {version: "1.0", created: "2026-01-05T09:00:00Z"}
identity: {workspace: denied, owner: somebody}
permissions:
  actors:
    "agent:executor": {operations: [claim, capture], author_type: executor}
  defaults:
    authenticated: {operations: [capture]}
    anonymous: {operations: []}
"""


def plain(tree: Path) -> None:
    """A few files, a folder, links inside and out of the tree."""
    for name in ("README.md", "src/main.txt", "deep/er/file.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"This is {name}.\n")
    (tree / "escape").symlink_to("/etc")
    (tree / "inside").symlink_to("deep/er")


def pricing(tree: Path) -> None:
    shutil.copytree(
        EXAMPLES / "project", tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )


def denied(tree: Path) -> None:
    plain(tree)
    (tree / ".mentu").mkdir()
    (tree / ".mentu" / "genesis.key").write_text(DENYING)


def malformed(tree: Path) -> None:
    plain(tree)
    (tree / ".mentu").mkdir()
    (tree / ".mentu" / "genesis.key").write_text("permissions: [this is: {not a key\n")


SEEDS: dict[str, Callable[[Path], None]] = {
    "public/plain": plain,
    "public/pricing": pricing,
    "public/denied": denied,
    "public/malformed": malformed,
    "private/pricing": pricing,
}


class Repositories:
    """Seeds through a port-forward; looks by running git in the server's pod."""

    def __init__(self, servers: Kubectl, access: GitAccess, folder: Path) -> None:
        self._servers = servers
        self._access = access
        self._folder = folder

    def seed(self) -> None:
        with self._forwarded() as base:
            for path, fill in SEEDS.items():
                self._push(base, path, fill)

    def _push(self, base: str, path: str, fill: Callable[[Path], None]) -> None:
        git = self._git(path.replace("/", "-"))
        git.run("init", "--quiet", "--initial-branch=main")
        fill(git.folder)
        git.run("add", "--all")
        git.run("commit", "--quiet", "--message=The beginning")
        git.run("tag", "v1")
        git.run("branch", "release")
        git.run("push", "--quiet", "--", f"{base}/{path}.git", "main", "release", "v1")

    def clone(self, path: str, branch: str, name: str) -> Path:
        """A clean clone on this machine."""
        git = self._git(name)
        with self._forwarded() as base:
            git.run("clone", "--quiet", "--branch", branch, "--", f"{base}/{path}.git", ".")
        return git.folder

    def on_server(self, path: str, *arguments: str) -> str:
        """What git says about a repository, on the server itself."""
        where = f"--git-dir=/repositories/{path}.git"
        return self._servers.run("exec", "deployment/git", "--", "git", where, *arguments)

    def refs(self, path: str) -> dict[str, str]:
        text = self.on_server(path, "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in text.splitlines())

    def _git(self, name: str) -> Git:
        folder = self._folder / name
        (folder / "project").mkdir(parents=True)
        return Git(folder, self._access, 0, 60)

    @contextmanager
    def _forwarded(self) -> Iterator[str]:
        assert self._servers.namespace == SERVERS
        with self._servers.forward("service/git", 443) as port:
            yield f"https://localhost:{port}"
