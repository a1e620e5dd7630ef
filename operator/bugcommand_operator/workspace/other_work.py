"""Whether the volume holds work beside what is taken out: a stash, another branch, what was set aside.

None of it is taken out. That it is there is told, so that the volume is kept; in doubt it is told too.
"""

import os

from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.agent_refs import all_refs, head_of
from bugcommand_operator.workspace.clean_repository import CleanRepository
from bugcommand_operator.workspace.files import is_real_folder
from bugcommand_operator.workspace.job import Job

NOT_ITS_OWN = ("refs/remotes/", "refs/mentu/")
MAX_WORKTREES = 1_000


def is_elsewhere(job: Job, clean: CleanRepository, known: set[str], trees: set[str]) -> bool:
    """Whether a ref or a HEAD has commits that none of the `known` ones contain, or a checkpoint another tree."""
    refs = all_refs(job.paths.git_dir)
    heads = _heads(job)
    if refs is None or heads is None or _was_set_aside(job):
        return True
    checkpoint = refs.get(job.request.rescue_ref, "")
    if checkpoint and checkpoint not in known and not _has_tree(clean, checkpoint, trees):
        return True
    values = {value for name, value in refs.items() if not name.startswith(NOT_ITS_OWN)} | heads
    commits = {value for value in values if FULL_SHA.match(value)} - known
    return bool(commits) and not _contained(clean, commits, known)


def _heads(job: Job) -> set[str] | None:
    """What is checked out, in however many trees."""
    git_dir = job.paths.git_dir
    trees = f"{git_dir}/worktrees"
    names = os.listdir(trees) if is_real_folder(trees) else []
    if len(names) > MAX_WORKTREES:
        return None
    folders = [git_dir, *(f"{trees}/{name}" for name in names if is_real_folder(f"{trees}/{name}"))]
    return {head_of(folder, git_dir) for folder in folders}


def _was_set_aside(job: Job) -> bool:
    """By a later attempt that found the repository damaged. A checkout's volume is not the command's alone."""
    state = job.paths.state
    return (
        job.request.with_worktree
        and is_real_folder(state)
        and any(name.startswith("set-aside-") for name in os.listdir(state))
    )


def _has_tree(clean: CleanRepository, commit: str, trees: set[str]) -> bool:
    result = clean.run("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}", check=False)
    return result.code == 0 and result.text in trees


def _contained(clean: CleanRepository, commits: set[str], known: set[str]) -> bool:
    lines = [*sorted(commits), *(f"^{commit}" for commit in sorted(known))]
    data = "".join(f"{line}\n" for line in lines).encode()
    result = clean.run("rev-list", "--max-count=1", "--stdin", data=data, check=False)
    return result.code == 0 and not result.out
