"""Which changed paths a command's scope lets through.

Patterns are read like lines of a .gitignore, without negation: a pattern without a slash matches a file or
folder of that name at any depth, one with a slash counts from the top of the repository, a match on a
folder covers what is below it, `*` and `?` stay inside a segment and `**` crosses segments. Brackets are
ordinary characters, because frameworks use them in file names. The rules never look at file contents.
"""

from collections.abc import Iterable, Mapping, Sequence

from bugcommand_operator.core.glob import matches_segments
from bugcommand_operator.core.light_typing import Any, NamedTuple

SHOWN_PATHS = 5


class Scope(NamedTuple):
    allowed: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    max_files: int | None = None


def scope_from(raw: Mapping[str, Any] | None) -> Scope:
    """The scope of a BugContext; an absent or empty list of allowed patterns allows every path."""
    if not raw:
        return Scope()
    limit = raw.get("maxFileChanges")
    return Scope(
        allowed=tuple(str(pattern) for pattern in raw.get("allowedPatterns") or ()),
        forbidden=tuple(str(pattern) for pattern in raw.get("forbiddenPatterns") or ()),
        max_files=None if limit is None else int(limit),
    )


def matches_path(pattern: str, path: str) -> bool:
    """Whether a pattern covers a path or a folder above it."""
    wanted = _segments_of(pattern)
    if not wanted:
        return False
    only_folders = pattern.endswith("/")
    segments = path.split("/")
    longest = len(segments) - 1 if only_folders else len(segments)
    return any(matches_segments(wanted, segments[:length]) for length in range(1, longest + 1))


def scope_problem(scope: Scope, paths: Iterable[str]) -> str:
    """An empty string when the changed paths stay inside the scope, else one line that says what does not."""
    changed = sorted(set(paths))
    if scope.max_files is not None and len(changed) > scope.max_files:
        return f"{len(changed)} files were changed where at most {scope.max_files} may be: {_shown(changed)}"
    forbidden = [path for path in changed if _any_matches(scope.forbidden, path)]
    if forbidden:
        return f"forbidden paths were changed: {_shown(forbidden)}"
    outside = [path for path in changed if scope.allowed and not _any_matches(scope.allowed, path)]
    return f"paths outside the allowed patterns were changed: {_shown(outside)}" if outside else ""


def _segments_of(pattern: str) -> list[str]:
    anchored = "/" in pattern.rstrip("/")
    segments = [segment for segment in pattern.split("/") if segment]
    return segments if anchored or not segments else ["**", *segments]


def _any_matches(patterns: Sequence[str], path: str) -> bool:
    return any(matches_path(pattern, path) for pattern in patterns)


def _shown(paths: Sequence[str]) -> str:
    named = ", ".join(path.encode("unicode_escape").decode() for path in paths[:SHOWN_PATHS])
    rest = len(paths) - SHOWN_PATHS
    return f"{named} and {rest} more" if rest > 0 else named
