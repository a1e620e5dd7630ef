"""Keep what the agent has not committed: a snapshot of the tree under a rescue ref, each minute and at the end.

It uses an index of its own and never touches the agent's index, HEAD, branch or files, runs no hook and gives way
to the agent (nice, bounded in time). Ignored files and untracked ones over 64 MiB are left out. The agent's own
repository may hold anything in its config; this runs in the agent's container, with nothing that the agent has not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from .config import Identity
from .journal import Journal
from .processes import Children

LARGEST_UNTRACKED = 64 * 1024 * 1024
_FATAL = 128
# In a worktree .mentu is a link out of it: adding would take the tracked files behind it for deleted.
_ALL_BUT_MENTU = (":(top)", ":(top,exclude).mentu")
_SAFE = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"),
    *("-c", "core.quotePath=false", "-c", "advice.addEmbeddedRepo=false", "-c", "safe.directory=*"),
)


class CheckpointError(Exception):
    """git did not do what it was asked; the tree stays as it is and the next checkpoint tries again."""


def rescue_ref(commitment_id: str, attempt: int) -> str:
    return f"refs/mentu/rescue/{commitment_id}/{attempt}"


class Checkpoint:
    def __init__(self, children: Children, worktree: str, ref: str, scratch: Path, identity: Identity) -> None:
        self._children = children
        self._worktree = worktree
        self._ref = ref
        self._index = scratch / "checkpoint.index"
        self._excluded = scratch / "checkpoint.exclude"
        self._env = _environment(os.environ, self._index, identity)
        self._last: tuple[str, str] | None = None
        self.commit = ""
        """What the tree was last kept as."""
        self._deadline = 0.0

    def save(self, timeout: float) -> bool:
        """True if there was something new to keep."""
        self._deadline = time.monotonic() + timeout
        head = self._git("rev-parse", "--verify", "--quiet", "HEAD", check=False)
        tree = self._tree()
        if (head, tree) == self._last:
            return False
        commit = head if head and tree == self._git("rev-parse", "HEAD^{tree}") else self._commit(tree, head)
        self._git("update-ref", "--no-deref", self._ref, commit)
        self._last, self.commit = (head, tree), commit
        return True

    def _tree(self) -> str:
        self._seed_index()
        if not (self._exclude_large() and self._add()):
            self._index.unlink(missing_ok=True)  # a copy of a broken index: begin from HEAD
            self._run("read-tree", "HEAD")
            if not (self._exclude_large() and self._add()):
                raise CheckpointError("git cannot read the tree")
        return self._git("write-tree")

    def _add(self) -> bool:
        """Files that cannot be read are left out (exit code 1); anything worse is fatal."""
        exclude = f"core.excludesFile={self._excluded}"
        done = self._run("-c", exclude, "add", "--all", "--ignore-errors", "--", *_ALL_BUT_MENTU)
        if done.returncode < 0:  # half of the tree would take the place of the last good checkpoint
            raise CheckpointError(f"git add was ended by signal {-done.returncode}")
        return done.returncode < _FATAL

    def _seed_index(self) -> None:
        """A copy of the agent's index knows which files did not change, so adding is quick."""
        self._index.with_name(self._index.name + ".lock").unlink(missing_ok=True)
        folder = self._git("rev-parse", "--absolute-git-dir", check=False)
        with contextlib.suppress(OSError):
            shutil.copy2(Path(folder) / "index", self._index)  # its time tells git which entries may have raced

    def _exclude_large(self) -> bool:
        done = self._run("ls-files", "--others", "--exclude-standard", "-z")
        if done.returncode < 0:
            raise CheckpointError(f"git ls-files was ended by signal {-done.returncode}")
        untracked = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        large = [name for name in untracked if name and self._size(name) > LARGEST_UNTRACKED]
        text = "".join(f"/{_as_pattern(name)}\n" for name in large)
        self._excluded.write_bytes(text.encode("utf-8", "surrogateescape"))
        return done.returncode == 0

    def _size(self, name: str) -> int:
        try:
            return (Path(self._worktree) / name).lstat().st_size
        except OSError:
            return 0

    def _commit(self, tree: str, head: str) -> str:
        parent = ["-p", head] if head else []
        return self._git("commit-tree", tree, *parent, "-m", "Checkpoint of work in progress")

    def _git(self, *arguments: str, check: bool = True) -> str:
        done = self._run(*arguments)
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "surrogateescape").strip("\n")
        if check:
            raise CheckpointError(done.stderr.decode("utf-8", "replace").strip()[:500] or f"git {arguments[0]} failed")
        return ""

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise CheckpointError("no time left")
        argv = ["nice", "-n", "10", "git", "-C", self._worktree, *_SAFE, *arguments]
        try:
            return self._children.run(argv, left, env=self._env)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CheckpointError(f"git {arguments[0]}: {error}") from None


class Checkpointer:
    """Saves at an interval in a thread of its own, and once more when told."""

    def __init__(self, checkpoint: Checkpoint, journal: Journal, interval: float) -> None:
        self._checkpoint = checkpoint
        self._journal = journal
        self._interval = interval
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)

    @property
    def commit(self) -> str:
        return self._checkpoint.commit

    def start(self) -> None:
        if self._interval > 0:
            self._thread.start()

    def finish(self, timeout: float) -> None:
        """The last one: after whatever is under way, and within the time."""
        self._stop.set()
        deadline = time.monotonic() + timeout
        if self._turn.acquire(timeout=max(0.0, timeout / 2)):
            try:
                self._save(max(0.5, deadline - time.monotonic()))
            finally:
                self._turn.release()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with self._turn:
                self._save(max(self._interval, 30.0))

    def _save(self, timeout: float) -> None:
        try:
            self._checkpoint.save(timeout)
            self._told = ""
        except CheckpointError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._journal.note(f"the work could not be checkpointed: {error}", problem=True)


def _environment(env: Mapping[str, str], index: Path, identity: Identity) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    return {
        **kept,
        "GIT_INDEX_FILE": str(index),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": identity.name,
        "GIT_AUTHOR_EMAIL": identity.email,
        "GIT_COMMITTER_NAME": identity.name,
        "GIT_COMMITTER_EMAIL": identity.email,
    }


def _as_pattern(name: str) -> str:
    """A path that an exclude file takes literally."""
    escaped = "".join(f"\\{char}" if char in "\\*?[]!#" else char for char in name)
    return escaped[:-1] + "\\ " if escaped.endswith(" ") else escaped
