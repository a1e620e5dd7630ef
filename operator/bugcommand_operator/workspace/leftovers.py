"""What the agent left uncommitted, as a tree, found without its config, index, hooks, filters or submodules."""

import os
import stat

from bugcommand_operator.core.light_typing import NamedTuple
from bugcommand_operator.workspace.clean_repository import CleanRepository
from bugcommand_operator.workspace.errors import ExportFailed
from bugcommand_operator.workspace.files import is_real_folder
from bugcommand_operator.workspace.git_errors import error_from

MAX_LIST = 16 * 1024 * 1024
ALL_BUT_MENTU = (":(top)", ":(top,exclude).mentu")
GITLINK = "160000"


class Leftovers(NamedTuple):
    """What `look` found: files that are not as the head has them, and repositories made inside the tree."""

    files: list[str]
    size: int
    nested: list[str]


def look(clean: CleanRepository, head: str, tree: str) -> Leftovers:
    """Lists what was left; nothing is copied. Leaves an index of the tree behind, for `tree_of`."""
    if not is_real_folder(tree):
        return Leftovers([], 0, [])
    clean.run("read-tree", head, tree=tree)
    # Looks at the contents once, so that neither the listing nor the adding has to; its exit code says what differs.
    clean.run("update-index", "-q", "--refresh", tree=tree, check=False)
    listed = clean.run(
        *("ls-files", "--others", "--modified", "--exclude-standard", "-z", "--", *ALL_BUT_MENTU),
        tree=tree,
        limit=MAX_LIST,
    )
    found = {path for path in listed.out.decode("utf-8", "surrogateescape").split("\0") if path}
    files = [path for path in found if not path.endswith("/")]
    nested = [path.rstrip("/") for path in found if path.endswith("/")]
    return Leftovers(files, sum(_size(f"{tree}/{path}") for path in files), nested)


def tree_of(clean: CleanRepository, head: str, tree: str, left: Leftovers) -> str:
    """The tree that a commit of everything in the folder would have; the head's own when nothing changed."""
    if not left.files:
        return clean.run("rev-parse", "--verify", f"{head}^{{tree}}").text
    submodules = _submodules(clean, tree)
    _add_everything(clean, tree, [*left.nested, *submodules])
    _move_submodules(clean, tree, [path for path in submodules if path in left.files])
    _drop_new_submodules(clean, head, tree)
    return clean.run("write-tree", tree=tree).text


def has_new_submodule(clean: CleanRepository, older: str, newer: str) -> bool:
    """Whether a repository inside the tree was committed: of that, git keeps only a commit's name."""
    result = clean.run("diff-tree", "-r", "-z", "--raw", "--no-renames", older, newer, limit=MAX_LIST)
    changes = result.out.decode("utf-8", "surrogateescape").split("\0")[0::2]
    return any(change.split(" ")[1] == GITLINK for change in changes if change)


def _size(path: str) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _submodules(clean: CleanRepository, tree: str) -> list[str]:
    listed = clean.run("ls-files", "--stage", "-z", tree=tree, limit=MAX_LIST)
    entries = [entry.split("\t", 1) for entry in listed.out.decode("utf-8", "surrogateescape").split("\0") if entry]
    return [path for about, path in entries if about.startswith(GITLINK)]


def _add_everything(clean: CleanRepository, tree: str, repositories: list[str]) -> None:
    """Not the repositories in it: `git add` asks each submodule for its status, and that runs what its config names."""
    pathspecs = [*ALL_BUT_MENTU, *(f":(top,exclude,literal){path}" for path in repositories)]
    data = "\0".join(pathspecs).encode("utf-8", "surrogateescape")
    # A file that cannot be read is left out; the others are kept all the same.
    result = clean.run(
        "add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
        data=data, tree=tree, check=False,
    )  # fmt: skip
    if result.code not in (0, 1):
        error = error_from(result.err, result.code)
        raise ExportFailed(f"the uncommitted work cannot be read: {error}") from error


def _move_submodules(clean: CleanRepository, tree: str, paths: list[str]) -> None:
    """Takes what each has checked out now, which is read from its refs alone."""
    data = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    if data:
        clean.run("update-index", "--add", "--remove", "-z", "--stdin", data=data, tree=tree)


def _drop_new_submodules(clean: CleanRepository, head: str, tree: str) -> None:
    result = clean.run("diff-index", "--cached", "--raw", "-z", "--no-renames", head, tree=tree, limit=MAX_LIST)
    parts = result.out.decode("utf-8", "surrogateescape").split("\0")
    new = [
        path
        for change, path in zip(parts[0::2], parts[1::2], strict=False)
        if change.split(" ")[1] == GITLINK and change.split(" ")[0] != f":{GITLINK}"
    ]
    if new:
        data = "".join(f"{path}\0" for path in new).encode("utf-8", "surrogateescape")
        clean.run("update-index", "--force-remove", "-z", "--stdin", data=data, tree=tree)
