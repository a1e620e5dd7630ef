"""Token shapes taken out of log lines before they are stored.

The runner, which knows the secrets' values, has replaced those already. This is the second net, for tokens that
an agent came by otherwise: only shapes that are unmistakable, so that no ordinary text is harmed.
"""

import re
from collections.abc import Iterator, Sequence

PLACEHOLDER = "[redacted]"
_WITHOUT = rf"\g<escape>{PLACEHOLDER}"
GOES_ON, CONTINUES = "↩", "↪"
"""How the runner marks the parts of a line that is longer than a row may be."""
_SEAM = 4096

# What ends right before a token without being text of its own, although its last character is a letter: a terminal's
# escape sequence, as it is or as JSON and the like write it, and JSON's line ends and other escapes.
_ESCAPE = (
    r"(?:\x1b|\\(?:u001[bB]|x1[bB]|033|e))(?:\[[0-9:;<=>?]{0,64}[A-Za-z]|[()]?[0-9A-Za-z])"
    r"|\\(?:[bfnrt]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
)
_BEGIN = rf"(?:(?P<escape>{_ESCAPE})|\b)"
_JWT_BEGIN = rf"(?:(?P<escape>{_ESCAPE})|(?<![A-Za-z0-9_-]))"

_QUOTE = r"\"(?![,:}\]])"

# Each shape with a text that it cannot do without: looking for that first keeps ordinary lines fast.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("sk-", _BEGIN + r"sk-(?:ant-|proj-|svcacct-)[A-Za-z0-9_-]{16,}"),  # model keys
    ("gh", _BEGIN + r"gh[oprsu]_[A-Za-z0-9]{30,}"),  # GitHub
    ("github_pat_", _BEGIN + r"github_pat_[A-Za-z0-9_]{30,}"),
    ("glpat-", _BEGIN + r"glpat-[A-Za-z0-9_-]{16,}"),  # GitLab
    ("xox", _BEGIN + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    ("KIA", _BEGIN + r"AKIA[0-9A-Z]{16}\b"),  # AWS
    # A JSON web token. It begins where its alphabet does: from each "eyJ" within a run, the rest would be read anew.
    ("eyJ", _JWT_BEGIN + r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    # A user and password in a URL. A quote that ends a text of JSON ends them too.
    ("://", rf"(?P<escape>)(?<=://)(?:[^\s:/@\"]|{_QUOTE}){{0,256}}:(?:[^\s/@\"]|{_QUOTE}){{1,256}}(?=@)"),
)
_PATTERNS = tuple((marker, re.compile(pattern)) for marker, pattern in _SHAPES)


def redact_all(messages: Sequence[str], streams: Sequence[str] = ()) -> tuple[list[str], int]:
    """The messages without tokens, and how many were found. `streams`: which one each belongs to, so that a token
    which the end of a part has cut is found where both of its halves are here."""
    cleaned, found = list(messages), 0
    everything = "\n".join(cleaned)
    if CONTINUES in everything:
        for before, after in _seams(messages, streams):
            cleaned[before], cleaned[after], count = _over_seam(cleaned[before], cleaned[after])
            found += count
        everything = "\n".join(cleaned)
    patterns = [(marker, pattern) for marker, pattern in _PATTERNS if marker in everything]
    for marker, pattern in patterns:
        for index, message in enumerate(cleaned):
            if marker in message:
                cleaned[index], count = pattern.subn(_WITHOUT, message)
                found += count
    return cleaned, found


def _seams(messages: Sequence[str], streams: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Each two messages that are parts of one line; between them may be some of the other stream, or the runner's."""
    going_on: dict[str, int] = {}
    for index, (message, stream) in enumerate(zip(messages, streams, strict=False)):
        if message.startswith(CONTINUES) and stream in going_on:
            yield going_on.pop(stream), index
        if message.endswith(GOES_ON):
            going_on[stream] = index


def _over_seam(before: str, after: str) -> tuple[str, str, int]:
    """Both without the tokens that lie in both of them."""
    left, right = before[:-1], after[1:]
    tail, head = left[-_SEAM:], right[:_SEAM]
    joined = tail + head
    found = (_token(match) for marker, pattern in _PATTERNS if marker in joined for match in pattern.finditer(joined))
    spans = [(start, end) for start, end in found if start < len(tail) < end]
    if not spans:
        return before, after, 0
    start, end = min(spans)[0], max(end for _, end in spans)
    kept = left[: len(left) - len(tail) + start]
    return kept + PLACEHOLDER + GOES_ON, CONTINUES + right[end - len(tail) :], 1


def _token(match: re.Match[str]) -> tuple[int, int]:
    """Without the escape before it."""
    return max(match.start(), match.end("escape")), match.end()
