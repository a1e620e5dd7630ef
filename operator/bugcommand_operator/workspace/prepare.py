"""Makes the place that an agent works in. Killed at any point and run again, it arrives at the same state.

A tree is complete once its repository has its final name, `.git`. Before that it is made anew; after that an
agent may have worked in it: it is continued, nothing in it is reset, and no git process opens it again.
"""

import os
import time
from typing import Any, NamedTuple

from bugcommand_operator.workspace.errors import MirrorCorrupt
from bugcommand_operator.workspace.files import (
    is_real_folder,
    move_aside,
    read_text,
    real_folder,
    remove_tree,
    write_file,
)
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.mentu_folder import copy_tracked, link_into_tree, write_context
from bugcommand_operator.workspace.mirror import resolve_in
from bugcommand_operator.workspace.objects import Entry, Info, Objects
from bugcommand_operator.workspace.own_repository import take_objects, worktree_of, write_repository
from bugcommand_operator.workspace.remote import checked_url
from bugcommand_operator.workspace.tools import copy_runner
from bugcommand_operator.workspace.tree import clear_locks, finish_checkout, start_checkout, tree_is_there
from bugcommand_operator.workspace.working_directory import working_directory

SWITCHED = "switched"


class Source(NamedTuple):
    """The base commit, and the repository to read it from: the mirror, or a clone of the command's own."""

    job: Job
    base: str
    fetched: float


def prepare(job: Job, *, fetch: bool) -> dict[str, Any]:
    checked_url(job)
    started = time.monotonic()
    _folders(job)
    source = _source(job, fetch=fetch)
    with Objects(job.git, source.job.paths.mirror_repository) as objects:
        base = source.base or _known_base(job, objects) or resolve_in(objects, source.job)
        genesis, filled = _fill(job, source.job, objects, base)
    write_context(job, base)
    link_into_tree(job)
    copy_runner(job)
    directory = working_directory(worktree_of(job), job.request.working_directory)
    remove_tree(_clone(job))
    seconds = {
        "fetch": source.fetched,
        "worktree": filled - started - source.fetched,
        "context": time.monotonic() - filled,
    }
    return {
        "baseCommit": base,
        "branch": job.request.branch,
        "workingDirectory": directory,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "genesis": genesis,
    }


def _folders(job: Job) -> None:
    state = job.paths.state
    if not is_real_folder(state):
        remove_tree(state)
        os.makedirs(state)
    real_folder(f"{state}/spool", state)
    real_folder(f"{job.paths.workspace}/home", state)


def _source(job: Job, *, fetch: bool) -> Source:
    started = time.monotonic()
    source = job
    if fetch and not job.request.mirror:
        remove_tree(_clone(job))
        os.mkdir(_clone(job))
        source = job._replace(paths=job.paths._replace(mirror=_clone(job)))
    if not fetch:
        return Source(source, "", 0.0)
    from bugcommand_operator.workspace.mirror import fetch as fetch_mirror

    known = _remembered(job)
    if known and not job.request.base_commit:
        source = source._replace(request=source.request._replace(base_commit=known))
    base = fetch_mirror(source)
    return Source(source, base, time.monotonic() - started)


def _clone(job: Job) -> str:
    """Where a command without a mirror fetches to; gone again once it has taken the objects."""
    return f"{job.paths.workspace}/clone"


def _fill(job: Job, source: Job, objects: Objects, base: str) -> tuple[str, float]:
    """Has the tree filled while the genesis key is read; returns its answer and when the tree was ready."""
    mentu = objects.info(f"{base}:.mentu")
    entries = (objects.tree(mentu.sha) or []) if mentu is not None and mentu.kind == "tree" else []
    _end_switch(job)
    if tree_is_there(job):
        return _go_on(job, source, objects, base, mentu, entries)
    _make_room(job)
    building = f"{job.paths.git_dir}.building"
    os.mkdir(job.paths.repository)
    _write_with_objects(job, source, building, base, sparse=mentu is not None)
    checkout = start_checkout(job, building)
    try:
        genesis = _enforce(job, objects, mentu, entries)
        copy_tracked(job, objects, entries)
        finish_checkout(job, checkout)
    finally:
        checkout.end()
    _remember(job, base)
    os.rename(building, job.paths.git_dir)
    return genesis, time.monotonic()


def _go_on(
    job: Job, source: Job, objects: Objects, base: str, mentu: Info | None, entries: list[Entry]
) -> tuple[str, float]:
    genesis = _enforce(job, objects, mentu, entries)
    clear_locks(job.paths.git_dir)
    if not job.request.with_worktree and not _remembered(job):
        _switch(job, source, base, sparse=mentu is not None)
        copy_tracked(job, objects, entries)
    _remember(job, base)
    return genesis, time.monotonic()


def _switch(job: Job, source: Job, base: str, *, sparse: bool) -> None:
    """Gives the checkout a new repository of its own; the previous command's is kept until the next one comes."""
    from bugcommand_operator.workspace.switch import switch

    building, previous = f"{job.paths.git_dir}.building", f"{job.paths.state}/previous.git"
    remove_tree(building)
    _write_with_objects(job, source, building, base, sparse=sparse)
    switch(job, building, base)
    write_file(f"{building}/{SWITCHED}", b"")
    remove_tree(previous)
    os.rename(job.paths.git_dir, previous)
    _end_switch(job)


def _end_switch(job: Job) -> None:
    """The last step of a switch, which a kill may have left undone."""
    building = f"{job.paths.git_dir}.building"
    if not os.path.lexists(job.paths.git_dir) and os.path.lexists(f"{building}/{SWITCHED}"):
        os.rename(building, job.paths.git_dir)


def _write_with_objects(job: Job, source: Job, git_dir: str, base: str, *, sparse: bool) -> None:
    write_repository(job, git_dir, base, sparse=sparse)
    if not job.request.mirror:
        take_objects(source.paths.mirror_repository, git_dir)


def _make_room(job: Job) -> None:
    """A half-made repository is made anew; one that an agent has damaged is set aside, with the work in it."""
    if not os.path.lexists(job.paths.repository):
        return
    half_made = os.path.lexists(f"{job.paths.git_dir}.building")
    used = any(name.startswith(("base-", "attempt-")) for name in os.listdir(job.paths.state))
    if used and not half_made:
        move_aside(job.paths.repository, job.paths.state)
    else:
        remove_tree(job.paths.repository)


def _enforce(job: Job, objects: Objects, mentu: Info | None, entries: list[Entry]) -> str:
    from bugcommand_operator.workspace.genesis import enforce

    return enforce(job, objects, mentu, entries)


def _known_base(job: Job, objects: Objects) -> str:
    """The base of an earlier attempt. The agent could have changed the note, so only a commit of the mirror counts."""
    known = _remembered(job)
    if not known or job.request.base_commit:
        return ""
    if objects.info(f"{known}^{{commit}}") is None:
        raise MirrorCorrupt(f"the base commit {known} of the earlier attempt is not in the mirror")
    return known


def _remembered(job: Job) -> str:
    from bugcommand_operator.core.ref_name import FULL_SHA

    text = (read_text(f"{job.paths.state}/base-{job.request.command_id}") or "").strip()
    return text if FULL_SHA.match(text) else ""


def _remember(job: Job, base: str) -> None:
    write_file(f"{job.paths.state}/base-{job.request.command_id}", f"{base}\n".encode())
