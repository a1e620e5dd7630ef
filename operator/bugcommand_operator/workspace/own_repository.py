"""The command's own repository: one branch, one worktree, objects borrowed from the mirror.

It is written file by file, which costs no process; git itself only fills the tree. Refs, config, hooks and
stash belong to this command alone. Nothing here ever reads a repository that an agent has had in hand.
"""

import os

from bugcommand_operator.workspace.base import tip_names
from bugcommand_operator.workspace.files import copy_file, regular_files
from bugcommand_operator.workspace.job import Job

SPARSE = "/*\n!/.mentu\n"
EXCLUDE = "/.mentu\n/.worktrees\n"
MAX_COPIED_FILES = 1_000_000


def worktree_of(job: Job) -> str:
    """The top of the tree that the agent works in."""
    if job.request.with_worktree:
        return f"{job.paths.repository}/.worktrees/{job.request.commitment_id}"
    return job.paths.repository


def tree_git_dir(job: Job, git_dir: str) -> str:
    """Where the tree's own HEAD and index are."""
    return f"{git_dir}/worktrees/{job.request.commitment_id}" if job.request.with_worktree else git_dir


def write_repository(job: Job, git_dir: str, base: str, *, sparse: bool) -> None:
    """Writes a repository whose branch stands at the base; `sparse` leaves tracked .mentu files out of the tree."""
    request = job.request
    for folder in ("objects/info", "objects/pack", "refs/tags", "refs/heads/bug", "info"):
        os.makedirs(f"{git_dir}/{folder}", exist_ok=True)
    _write(f"{git_dir}/config", config_text(job, sparse=sparse))
    _write(f"{git_dir}/info/exclude", EXCLUDE)
    _write(f"{git_dir}/packed-refs", _packed_refs(job, base))
    _write(f"{git_dir}/{request.branch_ref}", f"{base}\n")
    if request.mirror:
        _write(f"{git_dir}/objects/info/alternates", f"{job.paths.mirror_objects}\n")
    if request.with_worktree:
        _write(f"{git_dir}/HEAD", f"{base}\n")
        _link_worktree(job, git_dir)
    own = tree_git_dir(job, git_dir)
    _write(f"{own}/HEAD", f"ref: {request.branch_ref}\n")
    if sparse:
        os.makedirs(f"{own}/info", exist_ok=True)
        _write(f"{own}/info/sparse-checkout", SPARSE)


def take_objects(source: str, git_dir: str) -> None:
    """Without a mirror the command owns its objects: they are linked, or copied, from a fresh clone."""
    for name in regular_files(f"{source}/objects", MAX_COPIED_FILES):
        target = f"{git_dir}/objects/{name}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            copy_file(f"{source}/objects/{name}", target)


def config_text(job: Job, *, sparse: bool) -> str:
    """The repository's config; identity and address have been checked to hold no quote and no line break."""
    lines = [
        "[core]",
        "\trepositoryformatversion = 0",
        f"\tbare = {'true' if job.request.with_worktree else 'false'}",
        "\tfilemode = true",
        "\tlogAllRefUpdates = true",
        "[user]",
        f'\tname = "{job.request.identity.name}"',
        f'\temail = "{job.request.identity.email}"',
        "[commit]",
        "\tgpgSign = false",
        "[tag]",
        "\tgpgSign = false",
        "[gc]",
        "\tauto = 0",
        '[remote "origin"]',
        f'\turl = "{job.request.url}"',
        "\tfetch = +refs/heads/*:refs/remotes/origin/*",
    ]
    if sparse:
        # The copy behind the .mentu link makes tracked files seem present; git must not take them back in.
        lines += ["[core]", "\tsparseCheckout = true", "\tsparseCheckoutCone = false"]
        lines += ["[sparse]", "\texpectFilesOutsideOfPatterns = true"]
    return "\n".join(lines) + "\n"


def _packed_refs(job: Job, base: str) -> str:
    """The base under its remote name, so that `git diff origin/main` works without a network."""
    name = tip_names(job)[0]
    branch = name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else "HEAD"
    return f"# pack-refs with: peeled fully-peeled sorted \n{base} refs/remotes/origin/{branch}\n"


def _link_worktree(job: Job, git_dir: str) -> None:
    tree = worktree_of(job)
    own = tree_git_dir(job, git_dir)
    os.makedirs(own, exist_ok=True)
    os.makedirs(tree, exist_ok=True)
    _write(f"{own}/commondir", "../..\n")
    _write(f"{own}/gitdir", f"{tree}/.git\n")
    _write(f"{tree}/.git", f"gitdir: {tree_git_dir(job, job.paths.git_dir)}\n")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
