"""One fetch at a time: the lock that stands beside the mirror. Only our own containers can see it, no agent can.

Whoever takes it makes the mirror on first use and clears what a killed fetch left.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from bugcommand_operator.workspace.errors import RepositoryUnreachable
from bugcommand_operator.workspace.files import regular_files, remove_tree
from bugcommand_operator.workspace.job import Job

LOCK_SECONDS = 1800
LOCK_POLL_SECONDS = 0.05
STALE_LOCK_SECONDS = 30
MAX_REFS = 100_000


@contextlib.contextmanager
def locked(job: Job) -> Iterator[int]:
    """Holds the mirror's lock; git inherits the descriptor, so that the lock lives as long as the fetch."""
    descriptor = os.open(f"{job.paths.mirror}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    try:
        _wait_for(descriptor)
        remove_tree(beside(job))
        if not os.path.isdir(job.paths.mirror_repository):
            create(job)
            os.rename(beside(job), job.paths.mirror_repository)
        _clear_stale(job.paths.mirror_repository)
        yield descriptor
    finally:
        os.close(descriptor)


def beside(job: Job) -> str:
    """Where a repository is made that is, or goes into, the mirror once it is whole."""
    return f"{job.paths.mirror}/repo.git.building"


def create(job: Job) -> None:
    """An empty repository beside the mirror: a mirror is there as a whole or not at all."""
    job.git.run(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", beside(job)])
    job.git.run(["--git-dir", beside(job), "config", "gc.auto", "0"])


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
