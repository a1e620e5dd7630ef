"""Heals a damaged mirror: fetches the base with all its history anew, beside it, and moves the packs in.

Git would not take a sound copy of an object that it has a damaged one of, so it must not see the mirror meanwhile.
No object is removed: git looks into other packs for what it cannot read in one. A pack that arrives under the
name of a damaged one takes its place; whoever reads the old one goes on reading it.
"""

import os

from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.base import resolve
from bugcommand_operator.workspace.errors import BaseRefNotFound, MirrorCorrupt
from bugcommand_operator.workspace.files import remove_tree, write_file
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.mirror import clear_conflicts, look_for_holes
from bugcommand_operator.workspace.mirror_lock import beside, create, locked
from bugcommand_operator.workspace.remote import advertised
from bugcommand_operator.workspace.transfer import transfer

ONE_PACK = {"fetch.unpackLimit": "1"}
PARTS = (".pack", ".rev", ".idx")
"""In the order in which they are moved: git takes a pack for there once it has its index."""


def repair(job: Job, git: Git) -> str:
    """Returns the wanted base, which can be read now; a MirrorCorrupt otherwise."""
    wanted = job.request.wanted
    ref = f"refs/mentu/commits/{wanted}"
    if not FULL_SHA.match(wanted):
        ref = advertised(git, job.request.url, wanted).ref
    with locked(job) as lock:
        create(job)
        try:
            value = _fetch_beside(job, git, ref, lock)
            _take_packs(f"{beside(job)}/objects/pack", f"{job.paths.mirror_objects}/pack")
        finally:
            remove_tree(beside(job))
        _set_ref(job, ref, value)
    try:
        commit = resolve(job, ref)
        look_for_holes(job, commit)
    except MirrorCorrupt as error:
        raise _beyond_repair(error) from None
    return commit


def _set_ref(job: Job, ref: str, value: str) -> None:
    """Written by hand: git would stumble over what the ref named before."""
    clear_conflicts(job, ref)
    path = f"{job.paths.mirror_repository}/{ref}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_file(path, f"{value}\n".encode())


def _fetch_beside(job: Job, git: Git, ref: str, lock: int) -> str:
    """Fetches into the empty repository beside the mirror; returns the ref's value."""
    wanted = job.request.wanted
    source = wanted if FULL_SHA.match(wanted) else ref
    try:
        transfer(job, git, f"+{source}:{ref}", lock, into=beside(job), config=ONE_PACK)
    except BaseRefNotFound:
        if source == ref:
            raise
        transfer(job, git, "+refs/heads/*:refs/heads/*", lock, into=beside(job), config=ONE_PACK)
        return wanted
    return job.git.run(["--git-dir", beside(job), "rev-parse", "--verify", ref]).text


def _take_packs(source: str, target: str) -> None:
    for part in PARTS:
        for name in os.listdir(source):
            if name.endswith(part):
                os.rename(f"{source}/{name}", f"{target}/{name}")


def _beyond_repair(error: MirrorCorrupt) -> MirrorCorrupt:
    return MirrorCorrupt(
        f"{error}; fetching everything anew did not help: once no command of the Repository runs, delete the mirror's"
        " PersistentVolumeClaim, it is made again"
    )
