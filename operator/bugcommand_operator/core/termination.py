"""What a container left in its termination message → typed results. Pure.

The agent's pod can write anything there: every field is checked, bounded, and only ever taken for what it claims to be.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.core.observed import Container
from bugcommand_operator.core.text import clean

GIT_OBJECT = r"^[0-9a-f]{40}([0-9a-f]{24})?$"
Count = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(max_length=4096), AfterValidator(clean)]
Commit = Annotated[str, Field(pattern=GIT_OBJECT)]


def _decimal_text(value: Any) -> str | None:
    """Rounded before it is written out: `1e-999999999` would be a gigabyte of zeros."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or not 0 <= number < 10**9:
        return None
    return format(round(number, 6).normalize() + 0, "f")


class _Result(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    reason: Text = ""
    message: Text = ""


R = TypeVar("R", bound=_Result)


class UsageResult(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    input_tokens: Count = 0
    output_tokens: Count = 0
    cost_usd: Annotated[str | None, BeforeValidator(_decimal_text), Field(alias="costUSD")] = None


class WorkspaceResult(_Result):
    base_commit: Commit | None = None
    branch: Text = ""


class AgentResult(_Result):
    lines: Count = 0
    last_sequence: Count = 0
    unshipped: Count | None = None
    """None: it did not say, which is not the same as none."""
    unshipped_parts: Count = 0
    """Of the session's recording."""
    refused: Count = 0
    usage: UsageResult | None = None
    lasting: bool = False
    """It would fail the same way again."""
    checkpoint: Commit | None = None


class DiffResult(BaseModel):
    files: Count = 0
    insertions: Count = 0
    deletions: Count = 0


class ExportResult(_Result):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    base_commit: Commit | None = None
    head_commit: Commit | None = None
    has_changes: bool | None = None
    """None: it did not say, which is not the same as no."""
    left_uncommitted: Count = 0
    committed_leftovers: bool = False
    other_work: bool = False
    """On the volume is more than was taken out: a stash, other branches, repositories made inside the tree."""
    diff: DiffResult | None = None


class ShipResult(_Result):
    unshipped: Count | None = None
    unshipped_parts: Count = 0
    refused: Count = 0


class PublishResult(_Result):
    head_commit: Commit | None = None
    pushed: bool = False


def result_of(container: Container, kind: type[R]) -> R:
    """An empty result when the container left none, or one that is not what it should be."""
    try:
        return kind.model_validate(json.loads(container.message or "{}"))
    except (ValueError, ValidationError, RecursionError):
        return kind()


def known_reason(text: str, allowed: frozenset[Reason], otherwise: Reason) -> Reason:
    """Each writer has its own reasons: an agent may not end its command as Cancelled or Refused."""
    return Reason(text) if text in allowed else otherwise
