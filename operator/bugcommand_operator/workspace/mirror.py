"""The mirror: a bare repository on a shared volume that all commands of a Repository borrow objects from.

Whoever fetches holds a lock on it. No object is ever removed from it, not even when it is damaged: others may
be reading. It holds no work of any agent, only what the remote has.
"""

import os

from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.base import resolve
from bugcommand_operator.workspace.errors import BaseRefNotFound, MirrorCorrupt
from bugcommand_operator.workspace.files import read_text, regular_files, remove_file, write_file
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.mirror_lock import locked
from bugcommand_operator.workspace.objects import Objects
from bugcommand_operator.workspace.remote import Advertised, advertised, remote_git
from bugcommand_operator.workspace.transfer import transfer


def fetch(job: Job, *, walk: bool = False, anew: bool = False) -> str:
    """Makes sure that the mirror has the wanted base; asks the remote first, without the lock.

    `walk` looks for holes in the base's tree; what is damaged, or known to be (`anew`), is fetched whole again.
    """
    git = remote_git(job)
    if not anew:
        try:
            return _fetch(job, git, walk=walk)
        except MirrorCorrupt:
            pass
    from bugcommand_operator.workspace.mirror_repair import repair

    return repair(job, git)


def _fetch(job: Job, git: Git, *, walk: bool) -> str:
    wanted = job.request.wanted
    if FULL_SHA.match(wanted):
        commit = _fetch_commit(job, git, wanted)
    else:
        commit = _fetch_named(job, git, advertised(git, job.request.url, wanted))
    if walk:
        look_for_holes(job, commit)
    return commit


def look_for_holes(job: Job, commit: str) -> None:
    """Whether every object of a commit's tree is there; their contents are checked when they are read."""
    walk = ["rev-list", "--objects", "--quiet", "--max-count=1", commit, "--"]
    result = job.git.run(["--git-dir", job.paths.mirror_repository, *walk], check=False)
    if result.code != 0:
        raise MirrorCorrupt(f"the mirror lacks objects of {commit}: {' / '.join(result.err.split(chr(10)))[:400]}")


def _fetch_named(job: Job, git: Git, found: Advertised) -> str:
    gone = [name for name in found.gone if os.path.isfile(f"{job.paths.mirror_repository}/{name}")]
    is_new = not _has(job, found.ref, found.value)
    if is_new or gone or (found.default_branch and _default(job) != found.default_branch):
        with locked(job) as lock:
            # A name that the remote has no more would be taken for one that it has: a branch for the tag, say.
            for name in gone:
                remove_file(f"{job.paths.mirror_repository}/{name}")
            if not _has(job, found.ref, found.value):
                clear_conflicts(job, found.ref)
                transfer(job, git, f"+{found.ref}:{found.ref}", lock, into=job.paths.mirror_repository)
            if found.default_branch:
                write_file(f"{job.paths.mirror_repository}/HEAD", f"ref: {found.ref}\n".encode())
    return resolve(job, found.ref)


def clear_conflicts(job: Job, ref: str) -> None:
    """Forgets names that the remote can no longer have beside `ref`: `a` and `a/b` exclude each other."""
    folder = f"{job.paths.mirror_repository}/{ref}"
    parts = ref.split("/")
    above = ["/".join(parts[:length]) for length in range(3, len(parts))]
    stale = [name for name in above if os.path.isfile(f"{job.paths.mirror_repository}/{name}")]
    if os.path.isdir(folder):
        stale += [f"{ref}/{name}" for name in regular_files(folder, limit=10_000)]
    for name in stale:
        job.git.run(["--git-dir", job.paths.mirror_repository, "update-ref", "-d", name])


def _fetch_commit(job: Job, git: Git, sha: str) -> str:
    if os.path.isdir(job.paths.mirror_repository):
        with Objects(job.git, job.paths.mirror_repository) as objects:
            present = objects.info(f"{sha}^{{commit}}") is not None
        if present:
            return sha
    with locked(job) as lock:
        try:
            transfer(job, git, f"+{sha}:refs/mentu/commits/{sha}", lock, into=job.paths.mirror_repository)
        except BaseRefNotFound:
            # The remote hands out branches only: the commit may be on one of them.
            transfer(job, git, "+refs/heads/*:refs/heads/*", lock, into=job.paths.mirror_repository)
    return resolve(job)


def _has(job: Job, ref: str, sha: str) -> bool:
    """Whether the mirror's own ref already has that value: a look at one file, no process."""
    text = read_text(f"{job.paths.mirror_repository}/{ref}")
    return text is not None and text.strip() == sha


def _default(job: Job) -> str:
    head = read_text(f"{job.paths.mirror_repository}/HEAD") or ""
    return head.strip().removeprefix("ref: refs/heads/")
