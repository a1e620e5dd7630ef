"""Moves a plain checkout from one command's branch to the next one's, with uncommitted changes kept in place.

The old repository was in an agent's hands: git runs with a new one and takes nothing but objects from the old.
Each path is judged by what is on disk, so the move can be killed anywhere and simply be made again.
"""

import os

from bugcommand_operator.workspace.agent_refs import head_of
from bugcommand_operator.workspace.errors import WorkspaceFailed
from bugcommand_operator.workspace.files import is_real_folder, remove_tree
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.tree import place

SHOWN = 5
CHANGED, MISSING, ADDED, DELETED = "M", "D", "A", "D"


def switch(job: Job, git_dir: str, base: str) -> None:
    """Brings every path that differs between the old commit and the base to the base's state, or nothing at all."""
    old = head_of(job.paths.git_dir, job.paths.git_dir)
    if not old:
        raise WorkspaceFailed(
            "the checkout of the previous command has no readable HEAD: repair it, or delete the Repository's"
            " checkout PersistentVolumeClaim to start from a fresh one"
        )
    against_old = _differences(job, git_dir, old)
    against_base = _differences(job, git_dir, base)
    moves = _statuses(_git(job, git_dir, "diff-tree", "-r", "-z", "--no-renames", "--name-status", old, base))
    moves = {path: status for path, status in moves.items() if path.split("/")[0] != ".mentu"}
    conflicts = [path for path, status in moves.items() if _in_the_way(status, path, against_old, against_base)]
    if conflicts:
        raise WorkspaceFailed(
            f"the previous command left uncommitted changes in {', '.join(sorted(conflicts)[:SHOWN])!a}, which the base"
            " commit changes too: commit or remove them on the checkout volume, or use withWorktree: true"
        )
    _write(job, git_dir, [path for path, status in moves.items() if status != DELETED and path in against_base])
    for path in moves:
        if moves[path] == DELETED:
            _remove(job, path)
    _git(job, git_dir, "update-index", "-q", "--ignore-submodules", "--refresh")


def _differences(job: Job, git_dir: str, commit: str) -> dict[str, str]:
    """Tracked paths whose file on disk differs from a commit; leaves that commit in the index."""
    _git(job, git_dir, "read-tree", commit)
    tracked = _git(job, git_dir, "ls-files", "-z", "--", ".mentu")
    _git(job, git_dir, "update-index", "-z", "--skip-worktree", "--stdin", data=tracked)
    _git(job, git_dir, "update-index", "-q", "--ignore-submodules", "--refresh")
    return _statuses(_git(job, git_dir, "diff-files", "-z", "--name-status", "--ignore-submodules=all"))


def _in_the_way(status: str, path: str, against_old: dict[str, str], against_base: dict[str, str]) -> bool:
    if status == DELETED:
        return against_old.get(path, MISSING) != MISSING if path in against_old else False
    on_disk = against_base.get(path)
    if on_disk in (None, MISSING):
        return False
    return status == ADDED or against_old.get(path, "") not in ("", MISSING)


def _write(job: Job, git_dir: str, paths: list[str]) -> None:
    data = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    if data:
        _git(job, git_dir, "checkout-index", "-f", "-z", "--stdin", data=data)


def _remove(job: Job, path: str) -> None:
    """Removes a file that the base no longer has, and the folders that this leaves empty."""
    parts = path.split("/")
    folders = [os.path.join(job.paths.repository, *parts[:length]) for length in range(1, len(parts))]
    if not all(is_real_folder(folder) for folder in folders):
        return
    target = os.path.join(job.paths.repository, path)
    if not is_real_folder(target):
        remove_tree(target)
    for folder in reversed(folders):
        if os.listdir(folder):
            return
        os.rmdir(folder)


def _statuses(data: bytes) -> dict[str, str]:
    parts = data.decode("utf-8", "surrogateescape").split("\0")
    return {path: status[:1] for status, path in zip(parts[0::2], parts[1::2], strict=False)}


def _git(job: Job, git_dir: str, *arguments: str, data: bytes = b"") -> bytes:
    env = place(job, git_dir) | {"GIT_ALTERNATE_OBJECT_DIRECTORIES": job.paths.objects}
    may_fail = arguments[0] == "update-index"  # it says so by its exit code when a file differs
    return job.git.run(arguments, cwd=job.paths.repository, env=env, data=data, check=not may_fail).out
