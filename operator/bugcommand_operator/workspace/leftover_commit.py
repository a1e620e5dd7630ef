"""The commit of what an agent left uncommitted. Its date follows from what it is made of, so that doing it again gives
the same commit."""

import re

from bugcommand_operator.workspace.clean_repository import CleanRepository
from bugcommand_operator.workspace.job import Job

ISO_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)\Z")


def commit_leftovers(job: Job, clean: CleanRepository, base: str, head: str, tree: str) -> str:
    date = job.request.created_at
    if head != base or not ISO_DATE.match(date):
        date = _date_of(clean, head)
    return _commit(job, clean, head, tree, date)


def commit_on_top(job: Job, clean: CleanRepository, leftovers: str, earlier: str) -> str:
    """The same once more, on top of what an earlier attempt has pushed; that itself where nothing came to it."""
    tree = clean.run("rev-parse", "--verify", f"{leftovers}^{{tree}}").text
    if tree == clean.run("rev-parse", "--verify", f"{earlier}^{{tree}}").text:
        return earlier
    return _commit(job, clean, earlier, tree, _date_of(clean, earlier))


def _date_of(clean: CleanRepository, commit: str) -> str:
    return clean.run("show", "--no-patch", "--no-show-signature", "--format=@%ct +0000", commit).text


def _commit(job: Job, clean: CleanRepository, parent: str, tree: str, date: str) -> str:
    request = job.request
    title = "Rescue work in progress" if request.rescue else "Commit what the agent left uncommitted"
    body = f"{title}\n\nBugCommand: {request.namespace}/{request.name}\nCommitment: {request.commitment_id}\n"
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", request.identity.name), ("EMAIL", request.identity.email), ("DATE", date))
    }
    env = {"GIT_DIR": clean.folder, **identity}
    return clean.git.run(["commit-tree", tree, "-p", parent], env=env, data=body.encode()).text
