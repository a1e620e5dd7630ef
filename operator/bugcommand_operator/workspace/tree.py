"""Fills the command's tree, and tells whether one is there already. Never runs git on a tree that was used."""

import os

from bugcommand_operator.workspace.files import is_real_folder, read_text, remove_tree
from bugcommand_operator.workspace.git import Running
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.own_repository import tree_git_dir, worktree_of

MOST_WORKERS = 4
LARGE_TREE = 500


def start_checkout(job: Job, git_dir: str) -> Running:
    """Starts to fill an empty tree; the caller goes on and collects it with `finish_checkout`."""
    return job.git.start(
        [*_in_parallel(), "read-tree", "-m", "-u", "HEAD"],
        cwd=worktree_of(job),
        env=place(job, git_dir),
    )


def finish_checkout(job: Job, checkout: Running) -> None:
    from bugcommand_operator.workspace.git_errors import error_from

    result = checkout.finish(job.git.local_seconds)
    if result.code != 0:
        raise error_from(result.err, result.code)


def clear_locks(git_dir: str) -> None:
    """Removes the locks of git processes that died with an earlier pod; the volume has one user at a time."""
    if not is_real_folder(git_dir):
        return
    for place, folders, names in os.walk(git_dir):
        folders[:] = [folder for folder in folders if place != git_dir or folder in ("refs", "worktrees")]
        for name in names:
            if name.endswith(".lock"):
                remove_tree(f"{place}/{name}")


def tree_is_there(job: Job) -> bool:
    """Whether the volume holds a tree that git can work in; decided by looking at files, not by running git."""
    own = tree_git_dir(job, job.paths.git_dir)
    tree = worktree_of(job)
    folders = (job.paths.repository, job.paths.git_dir, job.paths.objects, own, os.path.dirname(tree), tree)
    if not all(is_real_folder(folder) for folder in folders):
        return False
    linked = not job.request.with_worktree or (read_text(f"{tree}/.git") or "").strip() == f"gitdir: {own}"
    return linked and read_text(f"{own}/HEAD") is not None


def place(job: Job, git_dir: str) -> dict[str, str]:
    return {"GIT_DIR": tree_git_dir(job, git_dir), "GIT_WORK_TREE": worktree_of(job)}


def _in_parallel() -> list[str]:
    """Several workers fill a large tree faster, but only where processors are idle: their work in all is more."""
    running = (read_text("/proc/loadavg") or "0 0 0 1/1").split(" ")[3].split("/")[0]
    idle = len(os.sched_getaffinity(0)) - (int(running) - 1)
    workers = max(1, min(MOST_WORKERS, idle))
    return ["-c", f"checkout.workers={workers}", "-c", f"checkout.thresholdForParallelism={LARGE_TREE}"]
