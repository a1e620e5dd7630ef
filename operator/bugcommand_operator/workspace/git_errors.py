"""What git's complaints mean. Pure: text in, an exception of this room out."""

import re

from bugcommand_operator.workspace.errors import (
    AuthenticationFailed,
    BaseRefNotFound,
    InvalidRepositoryURL,
    MirrorCorrupt,
    NotAGitRepository,
    RepositoryUnreachable,
    VolumeFull,
    WorkspaceError,
    WorkspaceFailed,
)

MAX_MESSAGE = 400

# The first rule that fits decides, so the narrow ones stand first.
_RULES: tuple[tuple[str, type[WorkspaceError], str], ...] = (
    (r"No space left on device|Disk quota exceeded", VolumeFull, "the volume is full: make it larger"),
    (
        r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|HTTP 40[13]"
        r"|Invalid username or|Access denied|Permission to .* denied",
        AuthenticationFailed,
        "the remote refused the credential (or wants one): check the Secret that the Repository names",
    ),
    (r"couldn't find remote ref|not our ref|no such remote ref", BaseRefNotFound, "the remote has no such ref"),
    (
        r"returned error: 30\d|redirect",
        InvalidRepositoryURL,
        "the remote redirects, which is not followed: use the final address",
    ),
    (
        r"object file .* is empty|loose object .* is corrupt|packfile .* (?:cannot|is|claims|does not)"
        r"|bad (?:tree )?object|cannot read object|unable to read (?:tree|sha1|object)|inflate: "
        r"|missing (?:blob|tree|commit)|(?:index|pack) file .* (?:too|is|does)"
        r"|unable to (?:parse|unpack) |hash mismatch|object .* (?:is missing|cannot be read)|did not send all necessary"
        r"|did not receive expected object|unresolved delta|packed object .* is corrupt|cannot unpack"
        r"|cannot read existing object|bad pack header|invalid sha1 pointer|failed to read object|broken link"
        r"|not a valid object",
        MirrorCorrupt,
        "stored objects are damaged or missing",
    ),
    (
        r"is this a git repository|not a git repository|does not appear to be a git repository"
        r"|repository '.*' not found|returned error: (?:404|410)|protocol error: bad line|invalid server response",
        NotAGitRepository,
        "no git repository answers there (or the credential may not see it)",
    ),
    (r"fsck error|in (?:fsck|strict) mode|badly formed", NotAGitRepository, "git refuses what the remote sent"),
    (
        r"Could not resolve|Failed to connect|Connection (?:refused|reset|timed out)|timed out|early EOF|hung up"
        r"|SSL|TLS|certificate|unable to access|RPC failed|Operation too slow|returned error: (?:5\d\d|429)"
        r"|unexpected disconnect|network|Could not read from remote|expected (?:flush|packfile)",
        RepositoryUnreachable,
        "the remote cannot be reached",
    ),
)


def error_from(messages: str, code: int) -> WorkspaceError:
    """The exception that fits what git wrote."""
    shown = _shown(messages) or f"git ended with {code}"
    error: WorkspaceError = WorkspaceFailed(shown)
    for pattern, kind, meaning in _RULES:
        if re.search(pattern, messages, re.IGNORECASE):
            error = kind(f"{meaning}: {shown}")
            break
    error.said = shown
    return error


def _shown(messages: str) -> str:
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    loud = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!"))] or lines
    text = " / ".join(dict.fromkeys(loud))
    return "".join(character if character.isprintable() else " " for character in text)[:MAX_MESSAGE]
