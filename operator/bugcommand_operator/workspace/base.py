"""Which commit a command starts from, as far as the mirror alone can tell."""

from bugcommand_operator.core.ref_name import FULL_SHA
from bugcommand_operator.workspace.errors import BaseRefNotFound, MirrorCorrupt
from bugcommand_operator.workspace.files import read_text, write_file
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.objects import Objects


def resolve(job: Job, ref: str = "") -> str:
    """The wanted base as the mirror knows it, without a network; `ref` is which of its names was fetched."""
    with Objects(job.git, job.paths.mirror_repository) as objects:
        return resolve_in(objects, job, ref)


def resolve_in(objects: Objects, job: Job, ref: str = "") -> str:
    wanted = job.request.wanted
    for name in [ref] if ref else names_of(wanted):
        found = objects.info(f"{name}^{{commit}}")
        if found is not None:
            return found.sha
        if name != "HEAD" and read_text(f"{job.paths.mirror_repository}/{name}"):
            raise MirrorCorrupt(f"the mirror names {name}, but its commit cannot be read")
    raise BaseRefNotFound(f"the mirror has no branch, tag or commit {wanted!r}: has it been fetched?")


def known_base(job: Job, objects: Objects) -> str:
    """The base of an earlier attempt. The agent could have changed the note, so only a commit of the mirror counts."""
    known = noted_base(job)
    if not known or job.request.base_commit:
        return ""
    if objects.info(f"{known}^{{commit}}") is None:
        raise MirrorCorrupt(f"the base commit {known} of the earlier attempt is not in the mirror")
    return known


def noted_base(job: Job) -> str:
    """What the volume says about the command's base; an agent may have written it."""
    text = (read_text(_note(job)) or "").strip()
    return text if FULL_SHA.match(text) else ""


def note_base(job: Job, base: str) -> None:
    write_file(_note(job), f"{base}\n".encode())


def tip_names(job: Job) -> list[str]:
    """Where the wanted base may be in the mirror, likeliest first."""
    return names_of(job.request.base_ref or job.request.default_branch)


def names_of(wanted: str) -> list[str]:
    """The full names that a branch, a tag or a commit may have."""
    if FULL_SHA.match(wanted):
        return [wanted]
    if wanted in ("", "HEAD"):
        return ["HEAD"]
    if wanted.startswith(("refs/heads/", "refs/tags/")):
        return [wanted]
    return [f"refs/heads/{wanted}", f"refs/tags/{wanted}"]


def _note(job: Job) -> str:
    return f"{job.paths.state}/base-{job.request.command_id}"
