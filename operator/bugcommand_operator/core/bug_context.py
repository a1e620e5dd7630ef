"""What the agent reads first: bug-context.md, and the feature list that it has to fill. Pure text, no I/O.

The fields come from people and from other agents. They are quoted so that none of them can pass for a
section of this document: a paragraph becomes a block quote, a list item stays on its line.
"""

import unicodedata
from collections.abc import Mapping, Sequence

from bugcommand_operator.core.light_typing import Any

MAX_PARAGRAPH = 128 * 1024
MAX_ITEM = 2_000
MAX_ITEMS = 100
SCHEMA = "feature-list-v1"
TIER = "T2"

# Marks that reorder or hide text on a screen, so that a person would not read what the agent reads.
_HIDDEN = frozenset("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")


def render_bug_context(
    *,
    commitment: str,
    branch: str,
    base_commit: str,
    working_directory: str,
    prompt: str,
    context: Mapping[str, Any] | None,
) -> str:
    given = context or {}
    objective = _text(given.get("objective")).strip()
    parts = ["# Bug context", _commitment_section(commitment, branch, base_commit, working_directory)]
    parts.append(_section("Objective", quoted(objective or prompt)))
    if objective and prompt.strip():
        parts.append(_section("Prompt", quoted(prompt)))
    parts.append(_section("Hypothesis", quoted(_text(given.get("hypothesis")))))
    parts.append(_section("Likely files", _bullets(_codes(given.get("likelyFiles")))))
    parts.append(_section("Scope", _scope_text(given.get("scope") or {})))
    parts.append(_section("Constraints", _bullets(_items(given.get("constraints")))))
    parts.append(_section("Success criteria", _bullets(_items(given.get("successCriteria")))))
    parts.append(_first_steps(commitment, branch))
    return "\n\n".join(part for part in parts if part) + "\n"


def feature_list(
    *, instruction: str, commitment: str, created: str, prompt: str, context: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The list as the agent first finds it: nothing passes, nothing is proven."""
    given = context or {}
    wanted = _items(given.get("successCriteria")) or [
        one_line(_text(given.get("objective")) or prompt) or "The task is done"
    ]
    features = [
        {"id": f"F{number:03}", "description": description, "passes": False, "evidence": None}
        for number, description in enumerate(wanted, start=1)
    ]
    return {
        "$schema": SCHEMA,
        "instruction_id": one_line(instruction),
        "created": one_line(created),
        "status": "in_progress",
        "tier": TIER,
        "mentu": {"commitment": commitment, "source": None},
        "features": features,
        "checks": {},
    }


def clean(text: str) -> str:
    """Text without control characters, surrogates and marks that hide or reorder; line breaks and tabs stay."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(
        character
        for character in plain
        if character in "\n\t" or (character not in _HIDDEN and unicodedata.category(character) not in ("Cc", "Cs"))
    )


def one_line(text: str) -> str:
    return " ".join(clean(text[: MAX_ITEM * 2]).split())[:MAX_ITEM]


def quoted(text: str) -> str:
    """A block quote: whatever the text holds, it cannot start a section of its own."""
    lines = clean(text[:MAX_PARAGRAPH]).strip("\n").split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines) if any(line.strip() for line in lines) else ""


def _commitment_section(commitment: str, branch: str, base_commit: str, working_directory: str) -> str:
    lines = [f"- Commitment: `{commitment}`", f"- Branch: `{branch}`, made from `{base_commit}`"]
    if working_directory:
        lines.append(f"- Working directory: {_code(working_directory)}")
    lines.append(f"- Feature list: `.mentu/feature_lists/{commitment}.json`")
    return "## Commitment\n\n" + "\n".join(lines)


def _scope_text(scope: Mapping[str, Any]) -> str:
    allowed, forbidden = _codes(scope.get("allowedPatterns")), _codes(scope.get("forbiddenPatterns"))
    most = scope.get("maxFileChanges")
    lines = [
        f"- Allowed: {', '.join(allowed)}" if allowed else "",
        f"- Forbidden: {', '.join(forbidden)}" if forbidden else "",
        f"- At most {int(most)} files may change" if isinstance(most, int) else "",
    ]
    rules = [line for line in lines if line]
    if rules:
        rules.append("- These limits are checked before anything is published: work outside them is refused.")
    return "\n".join(rules)


def _first_steps(commitment: str, branch: str) -> str:
    return f"""## First steps

1. `mentu claim {commitment}`
2. Read this file and `.mentu/feature_lists/{commitment}.json`.
3. Find the cause, fix it, and show with the project's own checks that it is fixed.
4. Fill in the feature list: `passes` and `evidence` of each feature.
5. Commit your work on the branch `{branch}`. Do not push: what is committed there is published for you.
   Leave `.mentu/` out of your commits.
6. `mentu capture "<what you did and how you know>" --kind evidence`
7. `mentu close {commitment} --evidence <the mem_… id that capture printed>`

You are the actor: claiming and closing the commitment is yours to do."""


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _items(value: Any) -> list[str]:
    items = [one_line(_text(item)) for item in value[:MAX_ITEMS]] if isinstance(value, list) else []
    return [item for item in items if item]


def _codes(value: Any) -> list[str]:
    return [_code(item) for item in _items(value)]


def _code(text: str) -> str:
    return "`" + one_line(text).replace("`", "'") + "`"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
