"""The command's own `.mentu`: what the base commit tracks there, the context, the feature list, and the link to it.

An earlier attempt's agent may have put anything in its place, so every folder is checked to be one before a
file is written into it, and a feature list that exists is never touched.
"""

import json
import os

from bugcommand_operator.core.bug_context import feature_list, render_bug_context
from bugcommand_operator.workspace.errors import VolumeFull
from bugcommand_operator.workspace.files import is_real_folder, move_aside, real_folder, write_file, write_new
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.objects import Entry, Objects
from bugcommand_operator.workspace.own_repository import worktree_of

LINK = "../../.mentu"
MAX_FILES = 5_000
MAX_DEPTH = 16
MAX_BYTES = 64 * 1024 * 1024


def copy_tracked(job: Job, objects: Objects, entries: list[Entry]) -> None:
    """Copies the regular files that the base commit tracks below .mentu; links and submodules are left out."""
    real_folder(job.paths.mentu, job.paths.state)
    budget = [MAX_FILES, MAX_BYTES]
    _copy(job, objects, entries, job.paths.mentu, budget, MAX_DEPTH)


def write_context(job: Job, base: str) -> None:
    """Writes bug-context.md, and the feature list when there is none yet."""
    request = job.request
    real_folder(job.paths.mentu, job.paths.state)
    lists = f"{job.paths.mentu}/feature_lists"
    real_folder(lists, job.paths.state)
    text = render_bug_context(
        commitment=request.commitment_id,
        branch=request.branch,
        base_commit=base,
        working_directory=request.working_directory,
        prompt=request.prompt,
        context=request.context,
    )
    path = f"{job.paths.mentu}/bug-context.md"
    if is_real_folder(path):
        move_aside(path, job.paths.state)
    write_file(path, text.encode("utf-8", "replace"))
    features = feature_list(
        instruction=f"BugCommand-{request.namespace}/{request.name}",
        commitment=request.commitment_id,
        created=request.created_at,
        prompt=request.prompt,
        context=request.context,
    )
    data = json.dumps(features, indent=2, ensure_ascii=False).encode("utf-8", "replace")
    write_new(f"{lists}/{request.commitment_id}.json", data + b"\n")


def link_into_tree(job: Job) -> None:
    """Puts the `.mentu` link into the worktree; a plain checkout has the folder itself there."""
    if not job.request.with_worktree:
        return
    path = f"{worktree_of(job)}/.mentu"
    if os.path.islink(path) and os.readlink(path) == LINK:
        return
    if os.path.lexists(path):
        move_aside(path, job.paths.state)
    os.symlink(LINK, path)


def _copy(job: Job, objects: Objects, entries: list[Entry], folder: str, budget: list[int], depth: int) -> None:
    for entry in entries:
        if entry.name in ("", ".", "..") or "/" in entry.name:
            continue
        path = f"{folder}/{entry.name}"
        _take(budget, 1, 0)  # folders too: a few objects can name a million of them
        if entry.is_folder and depth > 0:
            real_folder(path, job.paths.state)
            _copy(job, objects, objects.tree(entry.sha) or [], path, budget, depth - 1)
        elif entry.is_regular_file:
            data = objects.blob(entry.sha, MAX_BYTES)
            _take(budget, 0, len(data or b""))
            if data is not None:
                if is_real_folder(path):
                    move_aside(path, job.paths.state)
                write_file(path, data, 0o755 if entry.mode == "100755" else 0o644)


def _take(budget: list[int], entries: int, size: int) -> None:
    budget[0] -= entries
    budget[1] -= size
    if budget[0] < 0 or budget[1] < 0:
        raise VolumeFull(
            f"the base commit tracks more than {MAX_FILES} files and folders or {MAX_BYTES} bytes in .mentu"
        )
