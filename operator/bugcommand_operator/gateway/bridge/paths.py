"""From an absolute path on somebody's machine to a Repository and a path in it. Pure.

A Repository says with `pathPrefixes` where its checkouts are elsewhere. Paths are compared by whole components, and
the longest prefix wins; what follows it is kept exactly as it was sent.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.gateway.bridge.refusals import Untranslatable

LONGEST_RELATIVE = 1024
_FIELD = "working_directory"
_COMPONENT = re.compile(r"[^/]+")
_OF_WINDOWS = re.compile(r"^([A-Za-z]:[\\/]|\\\\)")


@dataclass(frozen=True, slots=True)
class KnownRepository:
    name: str
    path_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works."""

    repository: str
    working_directory: str


def known_repository(obj: dict[str, Any]) -> KnownRepository:
    """An object of the API server → what is needed of it."""
    prefixes = (obj.get("spec") or {}).get("pathPrefixes") or ()
    return KnownRepository(str(obj["metadata"]["name"]), tuple(str(prefix) for prefix in prefixes))


def place(
    directory: str,
    named: str | None,
    repositories: Iterable[KnownRepository],
    namespace: str,
    *,
    allowed: frozenset[str] | None = None,
) -> Place:
    """Where a command works. `named` is the Repository that it names; `allowed` are those that its sender may use, who
    is not told of any others. Raises `Untranslatable`."""
    known = sorted(repositories, key=lambda repository: repository.name)
    _check(directory)
    if named and not _may(named, allowed):
        raise _unknown(named, namespace)
    if directory.startswith("/"):
        found, rest = _by_prefix(directory, named, known, namespace, allowed)
    else:
        found, rest = _by_name(named, [one for one in known if _may(one.name, allowed)], namespace), directory
    if len(rest) > LONGEST_RELATIVE:
        raise Untranslatable("InvalidField", f"{_FIELD}: longer than {LONGEST_RELATIVE} characters", field=_FIELD)
    return Place(found, rest)


def _may(name: str, allowed: frozenset[str] | None) -> bool:
    return allowed is None or name in allowed


def _check(directory: str) -> None:
    if ".." in directory.split("/"):
        message = f"{_FIELD}: must not climb out of the repository: remove .."
        raise Untranslatable("WorkingDirectoryOutsideTree", message, field=_FIELD)
    if directory.startswith("~") or _OF_WINDOWS.match(directory):
        message = f"{_FIELD}: is neither an absolute path that begins with / nor relative to the repository's root"
        raise Untranslatable("InvalidField", message, field=_FIELD)


def _by_name(named: str | None, known: Sequence[KnownRepository], namespace: str) -> str:
    names = [repository.name for repository in known]
    if named:
        if named not in names:
            raise _unknown(named, namespace)
        return named
    if len(names) == 1:
        return names[0]
    message = (
        f"repository: namespace {namespace} has {len(names) or 'no'} Repositories that this command could be for: "
        "name one in repository, or send an absolute working_directory that a Repository's spec.pathPrefixes covers"
    )
    raise Untranslatable("RepositoryNotGiven", message, field="repository")


def _by_prefix(
    directory: str,
    named: str | None,
    known: Sequence[KnownRepository],
    namespace: str,
    allowed: frozenset[str] | None,
) -> tuple[str, str]:
    """The longest prefix of anybody's decides; of those that have it, the sender's."""
    if named and named not in {repository.name for repository in known}:
        raise _unknown(named, namespace)
    asked = [repository for repository in known if named in {None, "", repository.name}]
    longest, found = 0, dict[str, str]()
    for repository in asked:
        for prefix in repository.path_prefixes:
            length, rest = len(_components(prefix)), _after(directory, prefix)
            if rest is None or length < longest:
                continue
            found = {**(found if length == longest else {}), repository.name: rest}
            longest = length
    found = {name: rest for name, rest in found.items() if _may(name, allowed)}
    if len(found) > 1:
        raise _ambiguous(directory, found, namespace)
    if not found:
        raise _unmapped(directory, namespace)
    return next(iter(found.items()))


def _after(directory: str, prefix: str) -> str | None:
    """What follows the prefix in a path, as it was sent; None when the path is not below it."""
    wanted, end = _components(prefix), 0
    for component in _COMPONENT.finditer(directory):
        if not wanted:
            break
        if component.group() == ".":
            continue
        if component.group() != wanted.pop(0):
            return None
        end = component.end()
    return None if wanted else directory[end:].lstrip("/")


def _components(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _unmapped(directory: str, namespace: str) -> Untranslatable:
    message = (
        f"{_FIELD}: no Repository of namespace {namespace} says that {directory[:200]} is its checkout: add the path "
        "to its spec.pathPrefixes, or send repository and a path relative to the repository's root"
    )
    return Untranslatable("WorkingDirectoryNotMapped", message, field=_FIELD)


def _ambiguous(directory: str, found: Iterable[str], namespace: str) -> Untranslatable:
    message = (
        f"{_FIELD}: {directory[:200]} is below the same path prefix of the Repositories {', '.join(sorted(found))} of "
        f"namespace {namespace}: take it out of all but one, or name one in repository"
    )
    return Untranslatable("WorkingDirectoryAmbiguous", message, field=_FIELD)


def _unknown(named: str, namespace: str) -> Untranslatable:
    message = f"repository: there is no Repository {named} in namespace {namespace}: name one that exists"
    return Untranslatable("RepositoryNotFound", message, field="repository")
