"""What the agent left uncommitted, as a tree, found without its config, index, hooks, filters or submodules."""

from bugcommand_operator.workspace.clean_repository import CleanRepository
from bugcommand_operator.workspace.errors import ExportFailed
from bugcommand_operator.workspace.files import is_real_folder
from bugcommand_operator.workspace.git_errors import error_from

MAX_LIST = 16 * 1024 * 1024
ALL_BUT_MENTU = (":(top)", ":(top,exclude).mentu")
GITLINK = "160000"


def tree_of_leftovers(clean: CleanRepository, head: str, tree: str) -> str:
    """The tree that a commit of everything in the folder would have; the head's own when nothing changed."""
    if not is_real_folder(tree):
        return clean.run("rev-parse", "--verify", f"{head}^{{tree}}").text
    clean.run("read-tree", head, tree=tree)
    _add_everything(clean, tree)
    _drop_new_submodules(clean, head, tree)
    return clean.run("write-tree", tree=tree).text


def _add_everything(clean: CleanRepository, tree: str) -> None:
    nested = _nested_repositories(clean, tree)
    pathspecs = [*ALL_BUT_MENTU, *(f":(top,exclude,literal){path}" for path in nested)]
    data = "\0".join(pathspecs).encode("utf-8", "surrogateescape")
    # A file that cannot be read is left out; the others are kept all the same.
    result = clean.run(
        "add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
        data=data, tree=tree, check=False,
    )  # fmt: skip
    if result.code not in (0, 1):
        error = error_from(result.err, result.code)
        raise ExportFailed(f"the uncommitted work cannot be read: {error}") from error


def _nested_repositories(clean: CleanRepository, tree: str) -> list[str]:
    """Repositories that the agent made or cloned inside the tree: they are not part of the work."""
    result = clean.run(
        "ls-files", "--others", "--exclude-standard", "-z", "--", *ALL_BUT_MENTU, tree=tree, limit=MAX_LIST
    )
    found = result.out.decode("utf-8", "surrogateescape").split("\0")
    return [path.rstrip("/") for path in found if path.endswith("/")]


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
