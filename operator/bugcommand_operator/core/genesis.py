"""What a genesis key lets an actor do. Pure: a parsed key in, an answer out.

The rules are Mentu's: the most specific actor pattern decides, then the defaults of an authenticated actor;
the trust gradient can only take away. Where Mentu leaves a question open the answer here is no: patterns that
are equally specific must all allow, and a rule that matches on something unknown is taken to match.
"""

from collections.abc import Mapping

from bugcommand_operator.core.glob import matches_text
from bugcommand_operator.core.light_typing import Any, NamedTuple


class Actor(NamedTuple):
    pattern: str
    operations: frozenset[str]
    author_types: tuple[str, ...] = ()


class Constraint(NamedTuple):
    """`match` is "all" or a mapping of conditions that must all hold."""

    match: str | Mapping[str, Any]
    deny: frozenset[str]


class TrustGradient(NamedTuple):
    allowed: Mapping[str, frozenset[str]] = {}
    assigned: tuple[tuple[str, str], ...] = ()
    constraints: tuple[Constraint, ...] = ()


class Genesis(NamedTuple):
    """A key as far as it decides anything; `has_permissions` is false when it has no such section."""

    actors: tuple[Actor, ...] = ()
    authenticated: frozenset[str] | None = None
    has_permissions: bool = True
    trust: TrustGradient | None = None


class Allowed(NamedTuple):
    basis: str = "Allowed"


class Refusal(NamedTuple):
    reason: str
    message: str


def may(genesis: Genesis, actor: str, operation: str, author_type: str | None = None) -> Allowed | Refusal:
    """Whether an authenticated actor may perform an operation; `author_type` is the one it claims to act as."""
    matching = _most_specific(genesis.actors, actor)
    if not _permitted(genesis, matching, operation):
        where = f"the entry {matching[0].pattern!r}" if matching else "permissions.defaults.authenticated"
        return Refusal("PermissionDenied", f"{actor!r} may not {operation}: {where} does not list it")
    if genesis.trust is None:
        return Allowed()
    return _trusted(genesis.trust, matching, actor, operation, author_type)


def _permitted(genesis: Genesis, matching: list[Actor], operation: str) -> bool:
    if matching:
        return all(operation in entry.operations for entry in matching)
    if not genesis.has_permissions:
        return True
    return genesis.authenticated is not None and operation in genesis.authenticated


def _most_specific(actors: tuple[Actor, ...], actor: str) -> list[Actor]:
    fitting = [entry for entry in actors if matches_text(entry.pattern, actor)]
    best = max((_specificity(entry.pattern) for entry in fitting), default=None)
    return [entry for entry in fitting if _specificity(entry.pattern) == best]


def _specificity(pattern: str) -> tuple[bool, int]:
    """A plain name beats any pattern; of two patterns the one that spells out more wins."""
    return "*" not in pattern, len(pattern.replace("*", ""))


def _trusted(
    trust: TrustGradient, matching: list[Actor], actor: str, operation: str, claimed: str | None
) -> Allowed | Refusal:
    granted = tuple(kind for entry in matching for kind in entry.author_types) or tuple(
        kind for pattern, kind in trust.assigned if matches_text(pattern, actor)
    )
    if claimed is not None and granted and claimed not in granted:
        return Refusal("AuthorTypeDenied", f"{actor!r} may not act as {claimed!r}, only as {', '.join(granted)}")
    # Without a claim an actor acts as the first type that it was given.
    kind = claimed if claimed is not None else (granted[0] if granted else "")
    if kind in trust.allowed and operation not in trust.allowed[kind]:
        return Refusal("AuthorTypeDenied", f"author type {kind!r} of {actor!r} may not {operation}")
    for number, constraint in enumerate(trust.constraints):
        if operation in constraint.deny and _applies(constraint, actor, kind, operation):
            message = f"trust_gradient.constraints[{number}] denies {operation} to {actor!r} (author type {kind!r})"
            return Refusal("ConstraintViolated", message)
    return Allowed()


def _applies(constraint: Constraint, actor: str, kind: str, operation: str) -> bool:
    if isinstance(constraint.match, str):
        return constraint.match == "all"
    known = {"author_type": (kind, False), "actor": (actor, True), "operation": (operation, False)}
    conditions = [_holds(known.get(name), wanted) for name, wanted in constraint.match.items()]
    return bool(conditions) and all(conditions)


def _holds(known: tuple[str, bool] | None, wanted: Any) -> bool:
    if known is None:
        return True
    value, is_pattern = known
    choices = wanted if isinstance(wanted, list) else [wanted]
    return any(matches_text(str(choice), value) if is_pattern else choice == value for choice in choices)
