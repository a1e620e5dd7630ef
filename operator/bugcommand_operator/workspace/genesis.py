"""Reads the genesis key from the base commit, never from a tree, and ends the step when it says no."""

from bugcommand_operator.workspace.errors import Refused
from bugcommand_operator.workspace.job import Job
from bugcommand_operator.workspace.objects import Entry, Objects

NAME = "genesis.key"


def enforce(job: Job, objects: Objects, mentu: Entry | None, entries: list[Entry] | None) -> str:
    """Returns "Allowed" or "Missing"; raises with the rule that refused."""
    # Loaded late, while git fills the tree.
    from bugcommand_operator.core.genesis import Refusal
    from bugcommand_operator.core.genesis_file import MAX_BYTES, decide

    content = _content(objects, mentu, entries, MAX_BYTES)
    answer = decide(content, job.request.genesis_policy, job.request.actor)
    if isinstance(answer, Refusal):
        raise Refused(answer.reason, answer.message)
    return answer.basis


def _content(objects: Objects, mentu: Entry | None, entries: list[Entry] | None, limit: int) -> bytes | None:
    if mentu is None:
        return None
    if entries is None:
        raise Refused("GenesisMalformed", "`.mentu` of the base commit is not a folder that can be read")
    found = next((entry for entry in entries if entry.name == NAME), None)
    if found is None:
        return None
    content = objects.blob(found.sha, limit) if found.is_regular_file else None
    if content is None:
        raise Refused("GenesisMalformed", f".mentu/{NAME} is not a regular file of at most {limit} bytes")
    return content
