"""Git on this machine: seeds the project by pushing it, and fetches the result to show it.

The token is given in the environment, never as an argument or in a URL. Nothing that was fetched is checked out or run.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

from dev.demo.kubectl import call
from dev.demo.objects import REPOSITORY_PATH
from dev.demo.settings import EXAMPLES
from dev.gitserver.access import GitAccess


class Git:
    """A folder of our own with a repository in it, and the way to the git server."""

    def __init__(self, folder: Path, access: GitAccess, port: int, timeout: float) -> None:
        self.folder = folder / "project"
        self.timeout = timeout
        certificate = folder / "ca.crt"
        certificate.write_text(access.certificate, encoding="utf-8")
        self.url = f"https://localhost:{port}/{REPOSITORY_PATH}"
        self.env = _environment(folder, certificate, access)

    def seed(self) -> str:
        """Pushes examples/project as the first commit of main; its id."""
        shutil.copytree(EXAMPLES / "project", self.folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        self.run("init", "--quiet", "--initial-branch=main")
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message=Prices with discounts by quantity and coupons")
        self.run("push", "--quiet", "--", self.url, "main")
        return self.run("rev-parse", "HEAD").strip()

    def fetch(self, branch: str) -> str:
        """The pushed branch's commit."""
        self.run("fetch", "--quiet", "--no-tags", "--", self.url, f"+refs/heads/{branch}:refs/remotes/origin/result")
        return self.run("rev-parse", "refs/remotes/origin/result").strip()

    def diff(self, base: str, head: str) -> str:
        return self.run("diff", "--no-ext-diff", "--no-textconv", "--stat", "--patch", base, head)

    def log(self, base: str, head: str) -> str:
        return self.run("log", "--format=%h %an: %s", f"{base}..{head}")

    def run(self, *arguments: str) -> str:
        return call(["git", "-C", str(self.folder), *arguments], timeout=self.timeout, env=self.env)


def _environment(folder: Path, certificate: Path, access: GitAccess) -> dict[str, str]:
    login = base64.b64encode(f"{access.user}:{access.token}".encode()).decode()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSL_CAINFO": str(certificate),
        "GIT_AUTHOR_NAME": "Pricing",
        "GIT_AUTHOR_EMAIL": "pricing@example.com",
        "GIT_COMMITTER_NAME": "Pricing",
        "GIT_COMMITTER_EMAIL": "pricing@example.com",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
        "GIT_CONFIG_KEY_1": "http.proxy",
        "GIT_CONFIG_VALUE_1": "",
    }
