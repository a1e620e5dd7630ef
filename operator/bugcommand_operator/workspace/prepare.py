"""Makes the place that an agent works in. Killed at any point and run again, it arrives at the same state.

A tree is complete once its repository has its final name, `.git`. Before that it is made anew; after that an
agent may have worked in it: it is continued, nothing in it is reset, and no git process opens it again.

Git fills the tree while this process loads the rest of itself and writes what does not need the tree.
"""

import os
import time

from bugcommand_operator.core.light_typing import Any, NamedTuple
from bugcommand_operator.workspace.base import known_base, note_base, noted_base, resolve_in
from bugcommand_operator.workspace.errors import MirrorCorrupt
from bugcommand_operator.workspace.files import is_real_folder, move_aside, real_folder, remove_tree, write_file
from bugcommand_operator.workspace.job import Job, checked_url
from bugcommand_operator.workspace.objects import Entry, Objects, tracked_mentu
from bugcommand_operator.workspace.own_repository import take_objects, worktree_of, write_repository
from bugcommand_operator.workspace.tree import clear_locks, finish_checkout, start_checkout, tree_is_there

SWITCHED = "switched"


class Base(NamedTuple):
    """The base commit, what it tracks as `.mentu`, and the repository to read it from."""

    commit: str
    source: Job
    objects: Objects
    mentu: Entry | None
    entries: list[Entry] | None
    """Nothing when what is tracked there cannot be read as a folder, which is not the same as an empty one."""


class Context(NamedTuple):
    genesis: str
    seconds: float


def prepare(job: Job, *, fetch: bool) -> dict[str, Any]:
    checked_url(job)
    started = time.monotonic()
    _folders(job)
    source, fetched = _source(job, fetch=fetch)
    ready = time.monotonic()
    try:
        base, context = _from(job, source, fetched)
    except MirrorCorrupt:
        if not fetch:
            raise
        base, context = _from(job, source, _fetch_anew(source))
    directory = _finish(job)
    seconds = {
        "fetch": ready - started,
        "worktree": time.monotonic() - ready - context.seconds,
        "context": context.seconds,
    }
    return {
        "baseCommit": base.commit,
        "branch": job.request.branch,
        "workingDirectory": directory,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "genesis": context.genesis,
    }


def _from(job: Job, source: Job, fetched: str) -> tuple[Base, Context]:
    with Objects(job.git, source.paths.mirror_repository) as objects:
        base = _base(job, source, objects, fetched)
        return base, _make(job, base)


def _fetch_anew(source: Job) -> str:
    from bugcommand_operator.workspace.mirror import fetch

    return fetch(source, anew=True)


def _folders(job: Job) -> None:
    state = job.paths.state
    if not is_real_folder(state):
        remove_tree(state)
        os.makedirs(state)
    real_folder(f"{state}/spool", state)
    real_folder(f"{job.paths.workspace}/home", state)


def _source(job: Job, *, fetch: bool) -> tuple[Job, str]:
    """The repository to read the base from (the mirror, or a clone in its place), and the base that was fetched."""
    if not fetch:
        return job, ""
    from bugcommand_operator.workspace.mirror import fetch as fetch_mirror

    source = job
    if not job.request.mirror:
        remove_tree(_clone(job))
        os.mkdir(_clone(job))
        source = job._replace(paths=job.paths._replace(mirror=_clone(job)))
    known = noted_base(job)
    if known and not job.request.base_commit:
        source = source._replace(request=source.request._replace(base_commit=known))
    return source, fetch_mirror(source, walk=job.request.attempt > 1)


def _clone(job: Job) -> str:
    """Where a command without a mirror fetches to; gone again once it has taken the objects."""
    return f"{job.paths.workspace}/clone"


def _base(job: Job, source: Job, objects: Objects, fetched: str) -> Base:
    commit = fetched or known_base(job, objects) or resolve_in(objects, source)
    mentu, entries = tracked_mentu(objects, commit)
    return Base(commit, source, objects, mentu, entries)


def _make(job: Job, base: Base) -> Context:
    _end_switch(job)
    if tree_is_there(job):
        return _go_on(job, base)
    _make_room(job)
    building = _building(job)
    os.mkdir(job.paths.repository)
    _write_repository(job, base, building)
    checkout = start_checkout(job, building)
    try:
        context = _write_context(job, base, copy=True)
        finish_checkout(job, checkout)
    finally:
        checkout.end()
    note_base(job, base.commit)
    os.rename(building, job.paths.git_dir)
    return context


def _go_on(job: Job, base: Base) -> Context:
    """A tree that is there already: an earlier attempt's, or, for a plain checkout, the previous command's."""
    context = _write_context(job, base, copy=False)
    clear_locks(job.paths.git_dir)
    if not job.request.with_worktree and not noted_base(job):
        _switch(job, base)
        context = _write_context(job, base, copy=True)
    note_base(job, base.commit)
    return context


def _switch(job: Job, base: Base) -> None:
    """Gives the checkout a new repository of its own; the previous command's is kept until the next one comes."""
    from bugcommand_operator.workspace.switch import switch

    building, previous = _building(job), f"{job.paths.state}/previous.git"
    remove_tree(building)
    _write_repository(job, base, building)
    switch(job, building, base.commit)
    write_file(f"{building}/{SWITCHED}", b"")
    remove_tree(previous)
    os.rename(job.paths.git_dir, previous)
    _end_switch(job)


def _end_switch(job: Job) -> None:
    """The last step of a switch, which a kill may have left undone."""
    if not os.path.lexists(job.paths.git_dir) and os.path.lexists(f"{_building(job)}/{SWITCHED}"):
        os.rename(_building(job), job.paths.git_dir)


def _building(job: Job) -> str:
    return f"{job.paths.git_dir}.building"


def _write_repository(job: Job, base: Base, git_dir: str) -> None:
    write_repository(job, git_dir, base.commit, sparse=base.mentu is not None)
    if not job.request.mirror:
        take_objects(base.source.paths.mirror_repository, git_dir)


def _make_room(job: Job) -> None:
    """A half-made repository is made anew; one that an agent has damaged is set aside, with the work in it."""
    if not os.path.lexists(job.paths.repository):
        return
    half_made = os.path.lexists(_building(job))
    used = any(name.startswith(("base-", "attempt-")) for name in os.listdir(job.paths.state))
    if used and not half_made:
        move_aside(job.paths.repository, job.paths.state)
    else:
        remove_tree(job.paths.repository)


def _write_context(job: Job, base: Base, *, copy: bool) -> Context:
    """Asks the genesis key, then writes `.mentu` and brings the runner; loaded late, while git works."""
    started = time.monotonic()
    from bugcommand_operator.workspace.genesis import enforce
    from bugcommand_operator.workspace.mentu_folder import copy_tracked, write_context
    from bugcommand_operator.workspace.tools import bring_tools

    genesis = enforce(job, base.objects, base.mentu, base.entries)
    if copy:
        copy_tracked(job, base.objects, base.entries or [])
    write_context(job, base.commit)
    bring_tools(job)
    return Context(genesis, time.monotonic() - started)


def _finish(job: Job) -> str:
    from bugcommand_operator.workspace.mentu_folder import link_into_tree
    from bugcommand_operator.workspace.working_directory import working_directory

    link_into_tree(job)
    directory = working_directory(worktree_of(job), job.request.working_directory)
    remove_tree(_clone(job))
    return directory
