"""Token shapes taken out of log lines before they are stored.

The runner, which knows the secrets' values, has replaced those already. This is the second net, for tokens that
an agent came by otherwise: only shapes that are unmistakable, so that no ordinary text is harmed.
"""

import re
from collections.abc import Sequence

PLACEHOLDER = "[redacted]"

# Each shape with a text that it cannot do without: looking for that first keeps ordinary lines fast.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("sk-", r"\bsk-(?:ant-|proj-|svcacct-)[A-Za-z0-9_-]{16,}"),  # model keys
    ("gh", r"\bgh[oprsu]_[A-Za-z0-9]{30,}"),  # GitHub
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{30,}"),
    ("glpat-", r"\bglpat-[A-Za-z0-9_-]{16,}"),  # GitLab
    ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    ("KIA", r"\bAKIA[0-9A-Z]{16}\b"),  # AWS
    # A JSON web token. It begins where its alphabet does: from each "eyJ" within a run, the rest would be read anew.
    ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("://", r"(?<=://)[^\s:/@]{0,256}:[^\s/@]{1,256}(?=@)"),  # a user and password in a URL
)
_PATTERNS = tuple((marker, re.compile(pattern)) for marker, pattern in _SHAPES)


def redact_all(messages: Sequence[str]) -> tuple[list[str], int]:
    """The messages without tokens, and how many were found."""
    everything = "\n".join(messages)
    patterns = [(marker, pattern) for marker, pattern in _PATTERNS if marker in everything]
    cleaned, found = list(messages), 0
    for marker, pattern in patterns:
        for index, message in enumerate(cleaned):
            if marker in message:
                cleaned[index], count = pattern.subn(PLACEHOLDER, message)
                found += count
    return cleaned, found
