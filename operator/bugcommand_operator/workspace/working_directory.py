"""The working directory, used exactly as the command gives it, and only inside the tree."""

import os

from bugcommand_operator.workspace.errors import (
    WorkingDirectoryNotFound,
    WorkingDirectoryOutsideTree,
)


def working_directory(tree: str, wanted: str) -> str:
    """The absolute path to start the agent in."""
    if not wanted:
        return tree
    if wanted.startswith("/") or ".." in wanted.split("/") or "\0" in wanted:
        raise WorkingDirectoryOutsideTree(
            f"workingDirectory {wanted[:200]!r} must be a path relative to the top of the repository, without '..'"
        )
    path = os.path.join(tree, wanted)
    inside = os.path.realpath(tree)
    real = os.path.realpath(path)
    if real != inside and not real.startswith(f"{inside}/"):
        raise WorkingDirectoryOutsideTree(f"workingDirectory {wanted[:200]!r} leads out of the repository by a link")
    if not os.path.isdir(path):
        raise WorkingDirectoryNotFound(f"workingDirectory {wanted[:200]!r} is not a folder of the base commit")
    return path
