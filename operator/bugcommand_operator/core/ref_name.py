"""Which names may stand for a branch, a tag or a commit, by git's own rules and a few stricter ones. Pure."""

import re

FULL_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
MAX_LENGTH = 250

_FORBIDDEN = frozenset(" ~^:?*[\\\"'`$<>|;&(){}!")


def ref_problem(name: str) -> str:
    """An empty string for a safe name, else what is wrong with it."""
    if not name or len(name) > MAX_LENGTH:
        return f"a name has 1 to {MAX_LENGTH} characters"
    if name.startswith(("-", "/", "+")) or name.endswith(("/", ".")):
        return "it may not start with '-', '+' or '/', nor end with '/' or '.'"
    if ".." in name or "@{" in name or "//" in name or name == "@":
        return "it may not contain '..', '@{' or '//', nor be '@'"
    if any(character in _FORBIDDEN or not character.isprintable() for character in name):
        return "it has a character that git, or a shell, gives a meaning to"
    if any(part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return "a part of it starts with '.' or ends with '.lock'"
    return ""
