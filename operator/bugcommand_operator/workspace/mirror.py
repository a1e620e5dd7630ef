"""The mirror: a bare repository on a shared volume that all commands of a Repository borrow objects from.

Whoever fetches holds a lock on it. Nothing is ever removed from it, not even when it is damaged: others may
be reading. It holds no work of any agent, only what the remote has.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.base import resolve
from bugcommand_operator.workspace.errors import (
    BaseRefNotFound,
    MirrorCorrupt,
    RepositoryUnreachable,
    WorkspaceError,
)
from bugcommand_operator.workspace.files import read_text, regular_files, remove_tree, write_file
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.objects import Objects
from bugcommand_operator.workspace.remote import advertised, remote_git

LOCK_SECONDS = 1800
LOCK_POLL_SECONDS = 0.05
STALE_LOCK_SECONDS = 30
MAX_REFS = 100_000
# Old histories have blemishes that every forge serves; they harm nobody.
BLEMISHES = (
    "zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "missingEmail",
    "badEmail", "zeroPaddedDate", "missingNameBeforeEmail", "badFilemode", "multipleAuthors", "nulInCommit",
)  # fmt: skip


def fetch(job: Job) -> str:
    """Makes sure that the mirror has the wanted base; asks the remote first, without the lock."""
    git = remote_git(job)
    wanted = job.request.wanted
    if FULL_SHA.match(wanted):
        return _fetch_commit(job, git, wanted)
    found = advertised(git, job.request.url, wanted)
    if not _has(job, found.ref, found.value) or (found.default_branch and _default(job) != found.default_branch):
        with locked(job) as lock:
            if not _has(job, found.ref, found.value):
                _clear_conflicts(job, found.ref)
                _fetch_ref(job, git, f"+{found.ref}:{found.ref}", lock)
            if found.default_branch:
                write_file(f"{job.paths.mirror_repository}/HEAD", f"ref: {found.ref}\n".encode())
    return _verified(job, git, resolve(job))


@contextlib.contextmanager
def locked(job: Job) -> Iterator[int]:
    """Holds the mirror's lock; makes the mirror on first use and clears what a killed fetch left."""
    descriptor = os.open(f"{job.paths.mirror}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    try:
        _wait_for(descriptor)
        if not os.path.isdir(job.paths.mirror_repository):
            _create(job)
        _clear_stale(job.paths.mirror_repository)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise RepositoryUnreachable(
                    f"another pod has been fetching the mirror for more than {LOCK_SECONDS} seconds"
                ) from None
            time.sleep(LOCK_POLL_SECONDS)


def _create(job: Job) -> None:
    """Built beside its place and renamed, so that a mirror is either there as a whole or not at all."""
    building = f"{job.paths.mirror}/repo.git.building"
    remove_tree(building)
    job.git.run(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", building])
    job.git.run(["--git-dir", building, "config", "gc.auto", "0"])
    os.rename(building, job.paths.mirror_repository)


def _clear_stale(repository: str) -> None:
    # A fetch inherits the lock's descriptor, so whoever holds the lock knows that no other fetch is alive.
    old = time.time() - STALE_LOCK_SECONDS
    names = [f"{repository}/{name}" for name in os.listdir(repository)]
    names += [f"{repository}/objects/pack/{name}" for name in os.listdir(f"{repository}/objects/pack")]
    names += [f"{repository}/refs/{name}" for name in regular_files(f"{repository}/refs", MAX_REFS)]
    for path in names:
        left_over = path.endswith(".lock") or os.path.basename(path).startswith("tmp_")
        if left_over and os.lstat(path).st_mtime < old:
            os.unlink(path)


def _clear_conflicts(job: Job, ref: str) -> None:
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
            return _verified(job, git, sha)
    with locked(job) as lock:
        try:
            _fetch_ref(job, git, f"+{sha}:refs/mentu/commits/{sha}", lock)
        except BaseRefNotFound:
            # The remote hands out branches only: the commit may be on one of them.
            _fetch_ref(job, git, "+refs/heads/*:refs/heads/*", lock)
    return resolve(job)


def _fetch_ref(job: Job, git: Git, refspec: str, lock: int) -> None:
    try:
        _transfer(job, git, refspec, lock)
    except MirrorCorrupt:
        # Damaged objects cannot be removed while others borrow from the mirror, but sound copies can be added.
        try:
            _transfer(job, git, refspec, lock, "--refetch")
        except WorkspaceError as error:
            raise _beyond_repair(error) from None


def _transfer(job: Job, git: Git, refspec: str, lock: int, *options: str) -> None:
    tolerated = {f"fetch.fsck.{blemish}": "warn" for blemish in BLEMISHES}
    git._replace(config={**git.config, **tolerated}).run(
        [
            "--git-dir", job.paths.mirror_repository, "fetch", "--quiet", "--no-tags", "--no-prune", "--no-auto-gc",
            "--no-write-fetch-head", "--no-recurse-submodules", *options, "--end-of-options", job.request.url, refspec,
        ],
        seconds=git.transfer_seconds,
        keep=(lock,),
    )  # fmt: skip


def _verified(job: Job, git: Git, sha: str) -> str:
    """After a failed attempt the tree of the base is walked once, and fetched anew where it has holes."""
    if job.request.attempt == 1:
        return sha
    walk = ["--git-dir", job.paths.mirror_repository, "rev-list", "--objects", "--quiet", "--max-count=1", sha, "--"]
    if job.git.run(walk, check=False).code != 0:
        with locked(job) as lock:
            _transfer(job, git, f"+{sha}:refs/mentu/commits/{sha}", lock, "--refetch")
        try:
            job.git.run(walk)
        except WorkspaceError as error:
            raise _beyond_repair(error) from None
    return sha


def _beyond_repair(error: WorkspaceError) -> MirrorCorrupt:
    return MirrorCorrupt(
        f"{error}; fetching everything anew did not help: once no command of the Repository runs, delete the mirror's"
        " PersistentVolumeClaim, it is made again"
    )


def _has(job: Job, ref: str, sha: str) -> bool:
    """Whether the mirror's own ref already has that value: a look at one file, no process."""
    text = read_text(f"{job.paths.mirror_repository}/{ref}")
    return text is not None and text.strip() == sha


def _default(job: Job) -> str:
    head = read_text(f"{job.paths.mirror_repository}/HEAD") or ""
    return head.strip().removeprefix("ref: refs/heads/")
