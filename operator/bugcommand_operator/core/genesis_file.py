"""From the text of `.mentu/genesis.key` to an answer. What cannot be read, or is not what it should be, refuses.

YAML is read in its plainest form: no aliases (they can grow without bound), no duplicate keys (two readers
could pick different ones), one document, a bounded size.
"""

from collections.abc import Mapping

from bugcommand_operator.core.genesis import (
    Actor,
    Allowed,
    Constraint,
    Genesis,
    Refusal,
    TrustGradient,
    may,
)
from bugcommand_operator.core.light_typing import Any

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
EXECUTE = "execute"


class MalformedError(ValueError):
    """The key is not what a genesis key must be; the message says where."""


def decide(content: bytes | None, policy: str, actor: str, operation: str = EXECUTE) -> Allowed | Refusal:
    """What the key says; without a key, or with one that says nothing about permissions, what the policy says."""
    if content is None:
        return _by_policy(policy, "the base commit has no .mentu/genesis.key")
    try:
        genesis = read_genesis(content)
    except MalformedError as error:
        return Refusal("GenesisMalformed", f".mentu/genesis.key of the base commit cannot be used: {error}")
    answer = may(genesis, actor, operation)
    if isinstance(answer, Allowed) and not genesis.has_permissions:
        return _by_policy(policy, ".mentu/genesis.key has no permissions section")
    return answer


def read_genesis(content: bytes) -> Genesis:
    if len(content) > MAX_BYTES:
        raise MalformedError(f"it is larger than {MAX_BYTES} bytes")
    document = _mapping(_load(content), "the document")
    header = _mapping(document.get("genesis"), "genesis")
    if not isinstance(header.get("version"), str | int | float):
        raise MalformedError("genesis.version is missing")
    if "identity" in document:
        _mapping(document["identity"], "identity")
    trust = _trust(_mapping(document["trust_gradient"], "trust_gradient")) if "trust_gradient" in document else None
    if "permissions" not in document:
        return Genesis(has_permissions=False, trust=trust)
    permissions = _mapping(document["permissions"], "permissions")
    defaults = _optional(permissions, "defaults", "permissions.defaults")
    for name in defaults:
        _operations(_mapping(defaults[name], f"permissions.defaults.{name}"), f"permissions.defaults.{name}")
    return Genesis(
        actors=tuple(_actor(pattern, entry) for pattern, entry in _optional(permissions, "actors", "actors").items()),
        authenticated=_operations(defaults["authenticated"], "authenticated") if "authenticated" in defaults else None,
        trust=trust,
    )


def _by_policy(policy: str, why: str) -> Allowed | Refusal:
    if policy == "Allow":
        return Allowed("Missing")
    return Refusal("GenesisMissing", f"{why}, and the Repository's genesisPolicy is Deny")


def _actor(pattern: str, raw: Any) -> Actor:
    entry = _mapping(raw, f"permissions.actors.{pattern[:60]}")
    kinds: list[str] = []
    if entry.get("author_type") is not None:
        kinds += _names([entry["author_type"]], "author_type")
    if entry.get("author_types") is not None:
        kinds += _names(entry["author_types"], "author_types")
    return Actor(pattern, _operations(entry, f"permissions.actors.{pattern[:60]}"), tuple(kinds))


def _trust(raw: Mapping[str, Any]) -> TrustGradient | None:
    enabled = raw.get("enabled", False)
    if not isinstance(enabled, bool):
        raise MalformedError("trust_gradient.enabled is neither true nor false")
    allowed: dict[str, frozenset[str]] = {}
    assigned: list[tuple[str, str]] = []
    for name, entry in _optional(raw, "author_types", "trust_gradient.author_types").items():
        if isinstance(entry, str):
            assigned.append((name, entry))  # an actor pattern and the type that it is given
        elif _mapping(entry, f"author_types.{name[:60]}").get("allowed_operations") is not None:
            allowed[name] = frozenset(_names(entry["allowed_operations"], f"{name[:60]}.allowed_operations"))
    constraints = raw.get("constraints")
    if constraints is not None and not isinstance(constraints, list):
        raise MalformedError("trust_gradient.constraints is not a list")
    rules = tuple(_constraint(entry) for entry in constraints or ())
    return TrustGradient(allowed, tuple(assigned), rules) if enabled else None


def _constraint(raw: Any) -> Constraint:
    entry = _mapping(raw, "a constraint")
    match = entry.get("match")
    if match != "all":
        match = _mapping(match, "the match of a constraint")
    deny = entry.get("deny")
    return Constraint(match, frozenset(_names(deny, "deny")) if deny is not None else frozenset())


def _operations(entry: Mapping[str, Any], where: str) -> frozenset[str]:
    return frozenset(_names(_mapping(entry, where).get("operations"), f"{where}.operations"))


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{where} is not a list of names")
    return value


def _optional(parent: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    return _mapping(parent[key], where) if key in parent else {}


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise MalformedError(f"{where} is not a mapping with names as keys")
    return value


def _load(content: bytes) -> Any:
    import yaml  # slow to load, and most repositories have no key

    try:
        text = content.decode("utf-8")
        _check_events(yaml, text)
        return yaml.load(text, Loader=_plain_loader(yaml))  # noqa: S506 - a SafeLoader, made stricter
    except MalformedError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise MalformedError(f"it is not YAML: {error.problem}{line}") from None
    # Odd scalars (a date in month 13, a number of 5,000 digits) surface as ordinary exceptions.
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedError(f"it is not YAML: {type(error).__name__}") from None


def _check_events(yaml: Any, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise MalformedError("it uses YAML aliases")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise MalformedError(f"it is nested deeper than {MAX_DEPTH}")


def _plain_loader(yaml: Any) -> Any:
    class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
        """A SafeLoader that refuses a key given twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(names)) != len(names):
                raise MalformedError("a key is given twice")
            return super().construct_mapping(node, deep=deep)

    return PlainLoader
