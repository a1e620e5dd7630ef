"""Pushes exported work. Holds the credential, and sees nothing that an agent wrote but one bundle.

The bundle is received into a fresh repository with every object checked, and judged there: it must continue
the base commit, stay inside the scope and leave `.mentu` alone. A rescue is only kept, so it is not judged.
"""

import json
import os

from bugcommand_operator.core.light_typing import Any
from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.core.scope import scope_from, scope_problem
from bugcommand_operator.workspace.agent_refs import ref_value
from bugcommand_operator.workspace.base import tip_names
from bugcommand_operator.workspace.clean_repository import WORK_REF, CleanRepository
from bugcommand_operator.workspace.errors import (
    ExportFailed,
    MentuPathChanged,
    PushRejected,
    ScopeViolated,
    WorkspaceError,
)
from bugcommand_operator.workspace.files import read_text
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.leftover_commit import commit_on_top
from bugcommand_operator.workspace.mentu_paths import mentu_paths_problem
from bugcommand_operator.workspace.push import push
from bugcommand_operator.workspace.remote import advertised, remote_git, remote_value
from bugcommand_operator.workspace.transfer import TOLERATED

BASE_REF = "refs/mentu/base"
EARLIER_REF = "refs/mentu/earlier"
MAX_LIST = 16 * 1024 * 1024
MAX_MANIFEST = 64 * 1024
MAX_HEADER = 16 * 1024 * 1024  # git adds the subject of each commit that the work builds on, however long


def publish(job: Job) -> dict[str, Any]:
    manifest = _manifest(job)
    named = {"ref": job.request.target_ref} if job.request.rescue else {"branch": job.request.branch}
    if not manifest.get("hasChanges"):
        return {**named, "headCommit": manifest.get("headCommit"), "pushed": False}
    git = remote_git(job)
    borrowed = [job.paths.mirror_objects] if job.request.mirror else []
    clean = CleanRepository(job.git, f"{job.paths.scratch}/publish.git", borrowed)
    _know_the_base(job, git, clean)
    head = _receive(job, clean)
    if not job.request.rescue:
        _judge(job, clean, head)
    head, earlier = _continued(job, git, clean, head, manifest)
    push(git, clean, job.request.url, head, job.request.target_ref, over=earlier)
    clean.remove()
    return {**named, "headCommit": head, "pushed": True}


def _continued(job: Job, git: Git, clean: CleanRepository, head: str, manifest: dict[str, Any]) -> tuple[str, str]:
    """What to push, and what an earlier attempt has pushed that it may replace: the branch never loses a commit."""
    ref = job.request.target_ref
    found = "" if job.request.rescue or job.request.attempt == 1 else remote_value(git, job.request.url, ref)
    earlier = found and (found if _is_of_this_work(clean, found, head) else job.request.published_commit)
    if not earlier:
        return head, ""
    if clean.is_commit(earlier) and clean.is_ancestor(earlier, head):
        return head, earlier
    if manifest.get("committedLeftovers"):  # of that commit the agent knows nothing, so its work is not on top of it
        _fetch(git, clean, job.request.url, ref, EARLIER_REF)
        if clean.is_commit(earlier):
            return commit_on_top(job, clean, head, earlier), earlier
    raise PushRejected(f"the work does not continue {earlier}, to which an earlier attempt has pushed the branch")


def _is_of_this_work(clean: CleanRepository, found: str, head: str) -> bool:
    """An earlier attempt pushed it, and ended before it could say so: it is part of what is pushed now, on the base."""
    if not clean.is_commit(found) or clean.is_ancestor(found, BASE_REF):
        return False
    return clean.is_ancestor(BASE_REF, found) and clean.is_ancestor(found, head)


def _fetch(git: Git, clean: CleanRepository, url: str, ref: str, into: str, *options: str) -> None:
    git._replace(config={**git.config, **TOLERATED}).run(
        ["fetch", "--quiet", "--no-tags", *options, "--end-of-options", url, f"+{ref}:{into}"],
        env={"GIT_DIR": clean.folder},
        seconds=git.transfer_seconds,
    )


def _manifest(job: Job) -> dict[str, Any]:
    try:
        manifest = json.loads(read_text(job.paths.manifest, MAX_MANIFEST) or "")
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise ExportFailed("the export left no manifest that can be read")
    return manifest


def _know_the_base(job: Job, git: Git, clean: CleanRepository) -> None:
    """Gives the repository the base commit, or the branch it is on, from the mirror or else from the remote."""
    known = _given_base(job)
    if not job.request.mirror:
        wanted = known or advertised(git, job.request.url, job.request.wanted).ref
        depth = ["--depth=1"] if known else []
        _fetch(git, clean, job.request.url, wanted, BASE_REF, *depth)
        return
    clean.set_ref(BASE_REF, known or _mirror_tip(job))
    if not clean.is_commit(BASE_REF):
        raise ExportFailed("the base commit is not in the mirror: has the mirror been replaced?")


def _given_base(job: Job) -> str:
    return next((sha for sha in (job.request.base_commit, job.request.base_ref) if FULL_SHA.match(sha)), "")


def _mirror_tip(job: Job) -> str:
    mirror = job.paths.mirror_repository
    head = (read_text(f"{mirror}/HEAD") or "").strip().removeprefix("ref: ")
    names = [head if name == "HEAD" else name for name in tip_names(job)]
    values = (ref_value(mirror, name) for name in names)
    tip = next((value for value in values if value), "")
    if not tip:
        raise ExportFailed("neither the request nor the mirror says what the work is based on")
    return tip


def _receive(job: Job, clean: CleanRepository) -> str:
    """Takes the bundle in; every object is checked, and one that is not sound ends it.

    `git fetch` does not check the objects of a bundle before version 2.46, so the pack in it is indexed directly.
    """
    try:
        with open(job.paths.bundle, "rb", buffering=0) as bundle:
            head, start = work_of_bundle(os.pread(bundle.fileno(), MAX_HEADER, 0))
            os.lseek(bundle.fileno(), start, os.SEEK_SET)
            clean.run("index-pack", "--stdin", "--fix-thin", "--strict", stdin=bundle.fileno())
    except (OSError, ValueError, WorkspaceError) as error:
        raise ExportFailed(f"the exported work is not sound: {error}") from error
    if not clean.is_commit(head):
        raise ExportFailed("the exported work is not a commit")
    clean.set_ref(WORK_REF, head)
    return head


def work_of_bundle(data: bytes) -> tuple[str, int]:
    """The commit that a bundle carries, and where its pack begins; a ValueError when it is no bundle of ours."""
    header, separator, _ = data.partition(b"\n\n")
    first, *lines = header.split(b"\n")
    # Lines with `-` name what the work builds on, with subjects in whatever encoding their authors used.
    heads = [line for line in lines if not line.startswith((b"-", b"@"))]
    value, _, name = (heads[0] if len(heads) == 1 else b"").decode("ascii", "replace").partition(" ")
    if not separator or not first.startswith(b"# v") or name != WORK_REF or not FULL_SHA.match(value):
        raise ValueError("it is not a bundle of one branch")
    return value, len(header) + len(separator)


def _judge(job: Job, clean: CleanRepository, head: str) -> None:
    base = clean.run("merge-base", head, BASE_REF, check=False).text
    given = _given_base(job)
    if not base or (given and base != given):
        raise PushRejected("the work does not continue the base commit: was the branch rebased, or made anew?")
    paths = clean.changed_paths(base, head, MAX_LIST)
    problem = mentu_paths_problem(paths)
    if problem:
        raise MentuPathChanged(problem)
    problem = scope_problem(scope_from(job.request.scope), paths)
    if problem:
        raise ScopeViolated(problem)
