"""BugCommands to make: from what flags say, or from a file. Pure, but for the chance in names."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from bugcommand_operator.api.names import API_VERSION, MAX_COMMAND_NAME
from bugcommand_operator.cli.errors import Usage

Object = dict[str, Any]
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes makes them: no words by accident
_SUFFIX = 5
_WORDS = 28


@dataclass(frozen=True)
class Wanted:
    """What the flags say; what they do not say is left to the resource's defaults."""

    prompt: str
    name: str = ""
    repository: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


def manifest(wanted: Wanted) -> Object:
    repository = {"repository": {"name": wanted.repository}} if wanted.repository else {}
    context = said(wanted.context)
    spec = {"prompt": wanted.prompt, **repository, **said(wanted.spec), **({"context": context} if context else {})}
    metadata = {"name": wanted.name or name_for(wanted.prompt), **said({"labels": wanted.labels})}
    return {"apiVersion": API_VERSION, "kind": "BugCommand", "metadata": metadata, "spec": spec}


def said(fields: dict[str, Any]) -> dict[str, Any]:
    """Nothing that was left empty; 0 and false are something."""
    kept = {key: said(value) if isinstance(value, dict) else value for key, value in fields.items()}
    return {key: value for key, value in kept.items() if value is not None and value not in ("", [], {})}


def name_for(prompt: str) -> str:
    """The first words, to know it again by, and a suffix that makes it its own."""
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()[:200]).strip("-")
    start = words[:_WORDS].rpartition("-")[0] if len(words) > _WORDS and "-" in words[:_WORDS] else words[:_WORDS]
    return f"{start.strip('-') or 'bug'}-{_suffix()}"


def _suffix() -> str:
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX))


def from_documents(documents: list[Any], source: str) -> list[Object]:
    """The BugCommands of a file; anything else in it is a mistake, said before anything is made."""
    items = [item for each in documents for item in _items(each, source)]
    if not items:
        raise Usage(f"{source} holds no BugCommand")
    return [_named(item, source) for item in items]


def _items(document: Any, source: str) -> list[Any]:
    if isinstance(document, dict) and document.get("kind") in ("List", "BugCommandList"):
        found: list[Any] = document.get("items") or []
        return found
    kind = document.get("kind") if isinstance(document, dict) else type(document).__name__
    if kind != "BugCommand":
        raise Usage(f"{source} holds a {kind}, which is no BugCommand", "Other objects are for `kubectl apply`.")
    return [document]


def _named(item: Any, source: str) -> Object:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict) or not isinstance(item.get("spec"), dict):
        raise Usage(f"{source}: a BugCommand has metadata and a spec")
    start = str(metadata.get("generateName") or "")
    name = str(metadata.get("name") or "") or f"{start[: MAX_COMMAND_NAME - _SUFFIX]}{_suffix()}"
    if not start and not metadata.get("name"):
        name = name_for(str(item["spec"].get("prompt") or ""))
    kept = {key: value for key, value in metadata.items() if key not in ("generateName", "resourceVersion", "uid")}
    return {**{k: v for k, v in item.items() if k != "status"}, "metadata": {**kept, "name": name}}


def namespace_of(items: list[Object], given: str, source: str) -> str:
    """The one namespace that all are made in; empty: the context's."""
    named = {str(item["metadata"].get("namespace") or "") for item in items} - {""}
    if len(named | ({given} - {""})) > 1:
        raise Usage(f"{source} is for namespace {', '.join(sorted(named))}", "Take -n and the file for one namespace.")
    return given or next(iter(named), "")
