"""The remote repository: its address, the credential that is bound to its host, and what it advertises.

A credential goes to git as a header, by environment, for exactly one scheme, host and port; redirects are off.
It is never part of an address or a command line and never written anywhere.
"""

import os
from binascii import b2a_base64

from bugcommand_operator.core.light_typing import NamedTuple
from bugcommand_operator.core.ref_name import FULL_SHA, ref_problem
from bugcommand_operator.workspace.base import names_of
from bugcommand_operator.workspace.certificates import write_certificates
from bugcommand_operator.workspace.errors import (
    AuthenticationFailed,
    BaseRefNotFound,
)
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job, checked_url

MAX_SECRET = 64 * 1024
MAX_ADVERTISEMENT = 8 * 1024 * 1024


class Advertised(NamedTuple):
    """A ref of the remote and its value (for an annotated tag that is the tag, not its commit)."""

    ref: str
    value: str
    default_branch: str
    gone: tuple[str, ...] = ()
    """Full names that the wanted one could stand for and that the remote does not have."""


def remote_git(job: Job) -> Git:
    """Git, set up to talk to the job's remote and to no other."""
    password = _secret(job, "password")
    url = checked_url(job, has_credential=bool(password))
    config = {}
    if password:
        host = _secret(job, "host")
        if host and host.lower() != url.host:
            raise AuthenticationFailed(f"the Secret is for host {host[:100]!r}, not for {url.host!r}")
        user = _secret(job, "username") or "x-access-token"
        basic = b2a_base64(f"{user}:{password}".encode(), newline=False).decode()
        config[f"http.{url.origin}/.extraHeader"] = f"Authorization: Basic {basic}"
    if job.request.ca_bundle.strip():
        config["http.sslCAInfo"] = write_certificates(
            job.request.ca_bundle, f"{job.paths.scratch}/ca-{os.getpid()}.crt"
        )
    return job.git._replace(config=config)


def advertised(git: Git, url: str, wanted: str) -> Advertised:
    """What the remote says about the wanted branch or tag, or about its default branch when none is named."""
    names = names_of(wanted)
    result = git.run(
        ["ls-remote", "--symref", "--end-of-options", url, *names],
        seconds=git.ls_seconds,
        limit=MAX_ADVERTISEMENT,
    )
    refs, head = _parse(result.text)
    if names == ["HEAD"]:
        if not head or "HEAD" not in refs:
            raise BaseRefNotFound(
                "the remote names no default branch: set defaultBranch (or is it an empty repository, or none at all?)"
            )
        return Advertised(head, refs["HEAD"], head.removeprefix("refs/heads/"))
    for name in names:
        if name in refs:
            return Advertised(name, refs[name], "", tuple(other for other in names if other not in refs))
    raise BaseRefNotFound(f"the remote has no branch or tag named {wanted!r}")


def remote_value(git: Git, url: str, ref: str) -> str:
    """The commit that a ref of the remote has now; empty when there is no such ref."""
    result = git.run(["ls-remote", "--end-of-options", url, ref], seconds=git.ls_seconds, limit=MAX_ADVERTISEMENT)
    return _parse(result.text)[0].get(ref, "")


def _parse(text: str) -> tuple[dict[str, str], str]:
    """Each ref's value, and the default branch: a name that the remote chooses, and a path in the mirror afterwards."""
    refs: dict[str, str] = {}
    head = ""
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: ")
        elif FULL_SHA.match(value):
            refs[name] = value
    return refs, head if head.startswith("refs/heads/") and not ref_problem(head) else ""


def _secret(job: Job, key: str) -> str:
    """From the environment, where the pod's manifest puts it, or from a file."""
    value = os.environ.get(f"MENTU_GIT_{key.upper()}", "").strip("\r\n ") or _from_file(job, key)
    if not value.isprintable():
        raise AuthenticationFailed(f"the Secret's {key!r} has characters that cannot be sent")
    return value


def _from_file(job: Job, key: str) -> str:
    try:
        with open(f"{job.paths.credentials}/{key}", "rb") as file:
            return file.read(MAX_SECRET).decode("utf-8", "replace").strip("\r\n ")
    except (FileNotFoundError, NotADirectoryError):
        return ""
