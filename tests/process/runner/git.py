"""A repository to work in, and short words for what is asked of git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=_ENV, capture_output=True, text=True, check=True)
    return done.stdout.strip("\n")


def repository(folder: Path) -> Path:
    """One commit on `main` with `kept.txt`, `changed.txt` and an ignore rule."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "kept.txt").write_text("kept\n")
    (folder / "changed.txt").write_text("before\n")
    (folder / ".gitignore").write_text("ignored/\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "base")
    return folder


def files_of(folder: Path, ref: str) -> set[str]:
    return set(git(folder, "ls-tree", "-r", "--name-only", ref).splitlines())
