"""One push of one commit to one ref, never by force: the ref must be new, or have that very value already, or the one
that an earlier attempt has given it."""

from bugcommand_operator.workspace.clean_repository import CleanRepository
from bugcommand_operator.workspace.errors import PushRejected, Transient
from bugcommand_operator.workspace.git import Git, Result
from bugcommand_operator.workspace.git_errors import error_from
from bugcommand_operator.workspace.remote import remote_value


def push(git: Git, clean: CleanRepository, url: str, head: str, ref: str, over: str = "") -> None:
    """`over`: a value of the ref that the commit is known to continue."""
    if over and remote_value(git, url, ref) != over:
        over = ""  # somebody has merged and deleted it, or it is not ours any more, which the push will find
    try:
        result = _push(git, clean, url, head, ref, over)
    except Transient:
        # The answer may be what was lost, not the push.
        if remote_value(git, url, ref) == head:
            return
        raise
    if result.code == 0:
        return
    rejection = next((line for line in result.text.splitlines() if line.startswith("!")), "")
    if not rejection:
        error = error_from(result.err, result.code)
        if isinstance(error, Transient) and remote_value(git, url, ref) == head:
            return
        raise error
    found = remote_value(git, url, ref)
    if found == head:
        return
    if found:
        raise PushRejected(f"{ref} of the remote is already at {found}, not at {head}: rename or delete it there")
    said = " ".join(line for line in result.err.splitlines() if line.startswith(("remote:", "error:")))
    raise PushRejected(f"the remote refused {ref}: {rejection.split(chr(9))[-1]} {said[:300]}".strip())


def _push(git: Git, clean: CleanRepository, url: str, head: str, ref: str, over: str) -> Result:
    # The remote may have moved on so far that it names no commit of ours: negotiation finds what it has all the same.
    return git.run(
        ["-c", "push.negotiate=true", "push", "--porcelain", "--no-verify", "--no-follow-tags",
         f"--force-with-lease={ref}:{over}", "--end-of-options", url, f"{head}:{ref}"],
        env={"GIT_DIR": clean.folder},
        seconds=git.transfer_seconds,
        check=False,
    )  # fmt: skip
