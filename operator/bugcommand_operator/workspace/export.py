"""Takes the work out of the agent's volume: a bundle and a manifest, for a container that never sees the volume.

Runs without a credential. The agent's repository is never opened: refs are read as text, objects are borrowed
by a clean repository, uncommitted files are looked at with an index and a config of our own. What arrives is
checked again, and judged, by `publish`.
"""

import contextlib
import json
import os
import re
import resource
from collections.abc import Iterator

from bugcommand_operator.core.light_typing import Any, NamedTuple
from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.agent_refs import head_of, ref_value
from bugcommand_operator.workspace.base import noted_base
from bugcommand_operator.workspace.clean_repository import WORK_REF, CleanRepository
from bugcommand_operator.workspace.errors import (
    ExportFailed,
    ExportTooLarge,
    MentuPathChanged,
    WorkspaceError,
)
from bugcommand_operator.workspace.files import is_real_folder, read_text, remove_tree, write_file
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.leftover_commit import commit_leftovers
from bugcommand_operator.workspace.leftovers import has_new_submodule, look, tree_of
from bugcommand_operator.workspace.mentu_paths import mentu_paths_problem
from bugcommand_operator.workspace.other_work import is_elsewhere
from bugcommand_operator.workspace.own_repository import tree_git_dir, worktree_of

MAX_LIST = 16 * 1024 * 1024
LARGEST = 512 * 1024 * 1024
"""Bytes of uncommitted files that are copied, and bytes that the bundle may have: a node's disk is everybody's."""
SIGXFSZ = 25  # what a process dies of that writes a larger file than it may
NOTHING = {
    "leftUncommitted": 0,
    "committedLeftovers": False,
    "otherWork": False,
    "diff": {"files": 0, "insertions": 0, "deletions": 0},
}
STATS = re.compile(r"(\d+) (file|insertion|deletion)")


class Work(NamedTuple):
    """What there is to publish."""

    head: str
    tree: str
    left_uncommitted: int = 0
    committed_leftovers: bool = False
    left_tree: str = ""
    nested: bool = False


def export(job: Job) -> dict[str, Any]:
    """A hostile repository can make git fail in many ways, and say what it likes; to the operator they are all one."""
    try:
        return _export(job)
    except WorkspaceError as error:
        if not error.said:
            raise
        failed = ExportFailed(f"git cannot work with what is on the volume: {error.said}")
        failed.exit_code = error.exit_code
        raise failed from error


def _export(job: Job) -> dict[str, Any]:
    remove_tree(job.paths.bundle)
    if _never_prepared(job):
        return _report(job, {"baseCommit": None, "headCommit": None, "hasChanges": False, **NOTHING})
    clean = CleanRepository(job.git, f"{job.paths.export}/work.git", _borrowed(job))
    base = _base(job)
    if not clean.is_commit(base):
        raise ExportFailed(f"the base commit {base} is missing: has the mirror been replaced since the command began?")
    head = _head(job, clean, base)
    work = _work(job, clean, base, head)
    base_tree = clean.run("rev-parse", "--verify", f"{base}^{{tree}}").text
    # Commits that undo each other are nothing to publish, but a rescue keeps them.
    has_changes = work.tree != base_tree or (job.request.rescue and work.head != base)
    if has_changes:
        _bundle(job, clean, base, work.head)
    statistics = _statistics(clean, base, work.head)
    other_work = _other_work(job, clean, base, work) or not (has_changes or work.head == base)
    clean.remove()
    return _report(
        job,
        {
            "baseCommit": base,
            "headCommit": work.head,
            "hasChanges": has_changes,
            "leftUncommitted": work.left_uncommitted,
            "committedLeftovers": work.committed_leftovers,
            "otherWork": other_work,
            "diff": statistics,
        },
    )


def _report(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    write_file(job.paths.manifest, json.dumps(result).encode())
    return result


def _never_prepared(job: Job) -> bool:
    """Whether the command ended before it had a tree: there is no note of its base and nothing of its own."""
    if noted_base(job) or job.request.base_commit:
        return False
    return not os.path.lexists(job.paths.git_dir) or not job.request.with_worktree


def _borrowed(job: Job) -> list[str]:
    """The object folders to borrow from: the agent's and the mirror's, and through them no third one."""
    if not is_real_folder(job.paths.git_dir) or not is_real_folder(job.paths.objects):
        raise ExportFailed("the repository on the volume is gone, or a link stands in its place")
    alternates = f"{job.paths.objects}/info/alternates"
    text = read_text(alternates)
    mirror = [job.paths.mirror_objects] if job.request.mirror else []
    # Git follows the alternates of an alternate. A missing file is fine: the agent may have repacked everything.
    if text is not None and not set(text.split("\n")) <= {*mirror, ""}:
        raise ExportFailed("the repository on the volume borrows objects from a place that it was not given")
    if text is None and os.path.lexists(alternates):
        raise ExportFailed("the alternates file of the repository on the volume is not a regular file")
    return [job.paths.objects, *mirror]


def _base(job: Job) -> str:
    """The base commit; a note on the volume is good enough here, because `publish` finds it out for itself."""
    for value in (job.request.base_commit, job.request.base_ref, noted_base(job)):
        if FULL_SHA.match(value):
            return value
    raise ExportFailed("the base commit is not known: the volume has no note of it and the request names none")


def _head(job: Job, clean: CleanRepository, base: str) -> str:
    """The branch's value, or what the tree has checked out where that continues the branch."""
    branch = ref_value(job.paths.git_dir, job.request.branch_ref)
    if not branch or not clean.is_commit(branch):
        branch = base
    if job.request.rescue and not is_real_folder(worktree_of(job)):
        return _checkpoint(job, clean, branch)
    current = head_of(tree_git_dir(job, job.paths.git_dir), job.paths.git_dir)
    if current and current != branch and clean.is_commit(current) and clean.is_ancestor(branch, current):
        return current
    return branch


def _checkpoint(job: Job, clean: CleanRepository, branch: str) -> str:
    """Without a tree to look at, what the runner last saved of it."""
    saved = ref_value(job.paths.git_dir, job.request.target_ref)
    if saved and clean.is_commit(saved) and clean.is_ancestor(branch, saved):
        return saved
    return branch


def _work(job: Job, clean: CleanRepository, base: str, head: str) -> Work:
    if not job.request.rescue:
        problem = mentu_paths_problem(clean.changed_paths(base, head, MAX_LIST))
        if problem:
            raise MentuPathChanged(problem)
    head_tree = clean.run("rev-parse", "--verify", f"{head}^{{tree}}").text
    left = look(clean, head, worktree_of(job))
    nested = bool(left.nested)
    is_taken = job.request.rescue or head == base
    if left.size > LARGEST:
        if is_taken:
            raise _too_large(f"{left.size} bytes in {len(left.files)} uncommitted files")
        return Work(head, head_tree, left_uncommitted=len(left.files), nested=nested)
    tree = tree_of(clean, head, worktree_of(job), left)
    if tree == head_tree:
        return Work(head, head_tree, nested=nested)
    if is_taken:
        return Work(commit_leftovers(job, clean, base, head, tree), tree, committed_leftovers=True, nested=nested)
    count = len(clean.changed_paths(head_tree, tree, MAX_LIST))
    return Work(head, head_tree, left_uncommitted=count, left_tree=tree, nested=nested)


def _other_work(job: Job, clean: CleanRepository, base: str, work: Work) -> bool:
    if work.nested or has_new_submodule(clean, base, work.head):
        return True
    return is_elsewhere(job, clean, known={base, work.head}, trees={work.tree, work.left_tree})


def _too_large(what: str) -> ExportTooLarge:
    return ExportTooLarge(
        f"the work is too large to be taken out: {what}, and {LARGEST} bytes are the limit; it is kept on the volume."
        " Files that do not belong into the repository should be ignored (.gitignore)"
    )


def _bundle(job: Job, clean: CleanRepository, base: str, head: str) -> None:
    clean.set_ref(WORK_REF, head)
    try:
        with _largest_file(LARGEST):
            clean.run("bundle", "create", "--quiet", job.paths.bundle, WORK_REF, f"^{base}")
    except WorkspaceError as error:
        if f"signal {SIGXFSZ}" in str(error):
            raise _too_large(f"its commits are larger than {LARGEST} bytes") from error
        raise ExportFailed(f"the work cannot be bundled, its objects may be damaged: {error}") from error


@contextlib.contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """While it lasts, what is started here writes no larger file."""
    allowed, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, most))


def _statistics(clean: CleanRepository, base: str, head: str) -> dict[str, int]:
    text = clean.run("diff", "--shortstat", "--no-renames", "--no-ext-diff", "--no-textconv", base, head).text
    found = {kind: int(number) for number, kind in STATS.findall(text)}
    return {f"{kind}s": found.get(kind, 0) for kind in ("file", "insertion", "deletion")}
