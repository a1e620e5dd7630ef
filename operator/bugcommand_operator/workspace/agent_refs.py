"""Reads refs of a repository that an agent wrote, as text: no git process ever opens that repository.

Everything found is hearsay. A value is only taken when it looks like a commit id; links, devices, pipes and
large files are not read.
"""

import os

from bugcommand_operator.core.ref_name import FULL_SHA, ref_problem
from bugcommand_operator.workspace.files import is_real_folder, read_text, regular_files

MAX_PACKED_REFS = 4 * 1024 * 1024
MAX_REFS = 10_000


def ref_value(git_dir: str, ref: str) -> str:
    """The commit that a ref names; empty when there is none that can be read."""
    if ref_problem(ref) or not ref.startswith("refs/"):
        return ""
    folders = ref.split("/")[:-1]
    places = ["/".join(folders[:length]) for length in range(1, len(folders) + 1)]
    if is_real_folder(git_dir) and all(is_real_folder(f"{git_dir}/{place}") for place in places):
        value = (read_text(f"{git_dir}/{ref}") or "").strip()
        if FULL_SHA.match(value):
            return value
    return _packed_value(git_dir, ref)


def head_of(own_git_dir: str, git_dir: str) -> str:
    """The commit that a HEAD stands for, detached or not; empty when it cannot be read."""
    text = (read_text(f"{own_git_dir}/HEAD") or "").strip()
    if text.startswith("ref: "):
        return ref_value(git_dir, text.removeprefix("ref: ").strip())
    return text if FULL_SHA.match(text) else ""


def all_refs(git_dir: str) -> dict[str, str] | None:
    """Every ref with its commit; nothing when they cannot all be read."""
    packed = f"{git_dir}/packed-refs"
    text = read_text(packed, MAX_PACKED_REFS)
    if text is None and os.path.lexists(packed):
        return None
    pairs = [line.partition(" ")[::2] for line in (text or "").splitlines()]
    refs = {name: value for value, name in pairs if FULL_SHA.match(value)}
    if is_real_folder(f"{git_dir}/refs"):
        for path in regular_files(f"{git_dir}/refs", MAX_REFS):
            refs[f"refs/{path}"] = (read_text(f"{git_dir}/refs/{path}") or "").strip()
    return refs if len(refs) < MAX_REFS else None


def _packed_value(git_dir: str, ref: str) -> str:
    text = read_text(f"{git_dir}/packed-refs", MAX_PACKED_REFS) or ""
    for line in text.splitlines():
        value, _, name = line.partition(" ")
        if name == ref and FULL_SHA.match(value):
            return value
    return ""
