"""Brings the runner to the agent's container, so that any image with python3, git and tmux can run it."""

import os

from bugcommand_operator.workspace.files import write_file
from bugcommand_operator.workspace.job import Job

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = os.path.basename(PACKAGE)


def copy_runner(job: Job) -> None:
    """Copies the runner's sources; without a folder to put them in there is nothing to do."""
    if not os.path.isdir(job.paths.tools):
        return
    target = f"{job.paths.tools}/lib/{NAME}"
    os.makedirs(target, exist_ok=True)
    _copy(f"{PACKAGE}/__init__.py", f"{target}/__init__.py")
    for place, folders, names in os.walk(f"{PACKAGE}/runner"):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        into = target + place.removeprefix(PACKAGE)
        os.makedirs(into, exist_ok=True)
        for name in names:
            if name.endswith(".py"):
                _copy(f"{place}/{name}", f"{into}/{name}")


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file:
        write_file(target, file.read())
