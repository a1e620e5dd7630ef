"""Brings the runner to the agent's container, so that any image with python3, git and tmux can run it."""

import os

from bugcommand_operator.workspace.files import write_file
from bugcommand_operator.workspace.job import Job

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = os.path.basename(PACKAGE)


def copy_runner(job: Job) -> None:
    """Copies the runner; without a folder to put it in there is nothing to do. What is compiled already comes along:
    a Python of that version need not do it again, in a folder that it cannot write to."""
    if not os.path.isdir(job.paths.tools):
        return
    target = f"{job.paths.tools}/lib/{NAME}"
    os.makedirs(target, exist_ok=True)
    _copy(f"{PACKAGE}/__init__.py", f"{target}/__init__.py")
    for place, _, names in os.walk(f"{PACKAGE}/runner"):
        into = target + place.removeprefix(PACKAGE)
        os.makedirs(into, exist_ok=True)
        for name in names:
            if name.endswith((".py", ".pyc")):
                _copy(f"{place}/{name}", f"{into}/{name}")


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file:
        write_file(target, file.read())
