"""Brings the runner to the agent's container, so that any image with python3, git and tmux can run it; and the
certificates that the installation trusts."""

import os

from bugcommand_operator.workspace.certificates import write_certificates
from bugcommand_operator.workspace.job import Job

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = os.path.basename(PACKAGE)
CHUNK = 1 << 24
CERTIFICATES = "ca-certificates.crt"


def bring_tools(job: Job) -> None:
    """Without a folder to put them in there is nothing to do."""
    if not os.path.isdir(job.paths.tools):
        return
    _copy_runner(f"{job.paths.tools}/lib/{NAME}")
    if job.request.agent_ca_bundle:
        write_certificates(job.request.agent_ca_bundle, f"{job.paths.tools}/{CERTIFICATES}")


def _copy_runner(target: str) -> None:
    """What is compiled already comes along: a Python of that version need not do it again, in a folder that it cannot
    write to."""
    os.makedirs(target, exist_ok=True)
    _copy(f"{PACKAGE}/__init__.py", f"{target}/__init__.py")
    for place, _, names in os.walk(f"{PACKAGE}/runner"):
        into = target + place.removeprefix(PACKAGE)
        os.makedirs(into, exist_ok=True)
        for name in names:
            if name.endswith((".py", ".pyc")):
                _copy(f"{place}/{name}", f"{into}/{name}")


def _copy(source: str, target: str) -> None:
    """Plain system calls: the files are many and small, and nobody reads them before this container ends."""
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    while os.sendfile(writer, reader, None, CHUNK):
        pass
    os.close(reader)
    os.close(writer)
