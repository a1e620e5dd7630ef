"""Approval: whether somebody has to agree before a command runs, and what was decided, by whom."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bugcommand_operator.api.model import Model


class Approval(StrEnum):
    NOT_REQUIRED = "NotRequired"
    REQUIRED = "Required"


class Decision(StrEnum):
    APPROVED = "Approved"
    REJECTED = "Rejected"


class Decided(Model):
    """Written by the gateway alone: once for a command, and once more for each attempt that is asked for after it."""

    decision: Decision
    by: Annotated[str, Field(min_length=1, max_length=512)]
    at: datetime
    message: Annotated[str, Field(max_length=1024)] = ""
    retry_limit: Annotated[int, Field(ge=0, description="spec.retry.limit when it was decided: it covers no more.")] = 0
    after_attempt: (
        Annotated[int, Field(ge=1, description="spec.retry.afterAttempt when it was decided: it covers no other.")]
        | None
    ) = None
