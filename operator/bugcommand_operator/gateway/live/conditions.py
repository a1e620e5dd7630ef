"""The filter of a subscription: `column=op.value`, several joined by commas, all of which have to hold. Pure.

Patterns are not offered: one subscriber's expression would run on everybody's rows.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_MOST = 16
_PART = re.compile(r"([a-z_]{1,63})=(not\.)?(eq|neq|lt|lte|gt|gte|in|is)\.(.*)", re.DOTALL)
_SEPARATOR = re.compile(r",(?=[a-z_]{1,63}=(?:not\.)?[a-z]+\.)")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_CONSTANTS: Mapping[str, object] = {"null": None, "true": True, "false": False}


class BadFilter(ValueError):
    """The filter cannot be understood, or asks for what is not offered."""


@dataclass(frozen=True, slots=True)
class Condition:
    column: str
    op: str
    value: str
    negated: bool

    def holds(self, found: object) -> bool:
        """Null holds for nothing but `is.null`, as in SQL; neither does what no text can be compared with."""
        if self.op != "is" and (found is None or isinstance(found, dict | list)):
            return False
        return self._compare(found) != self.negated

    def _compare(self, found: Any) -> bool:
        if self.op == "is":
            return found is _CONSTANTS[self.value]
        if self.op == "in":
            return any(_like(found, one) == found for one in self.value.strip("()").split(","))
        wanted = _like(found, self.value)
        return wanted is not None and _COMPARISONS[self.op](found, wanted)


def parse_filter(text: str | None) -> tuple[Condition, ...]:
    if not text:
        return ()
    parts = _SEPARATOR.split(text) if len(text) <= 4096 else []
    if not 0 < len(parts) <= _MOST:
        raise BadFilter("the filter is too long")
    return tuple(_condition(part) for part in parts)


def equal_to(conditions: tuple[Condition, ...], column: str) -> str | None:
    """The value that the conditions fix for a column, if they do."""
    fixed = [one.value for one in conditions if one.column == column and one.op == "eq" and not one.negated]
    return fixed[0] if fixed else None


def all_hold(conditions: tuple[Condition, ...], value_of: Callable[[str], object]) -> bool:
    return all(condition.holds(value_of(condition.column)) for condition in conditions)


def _condition(part: str) -> Condition:
    match = _PART.fullmatch(part)
    if match is None:
        raise BadFilter(f"not understood, or not offered: {part[:80]}")
    column, negated, op, value = match.groups()
    if op == "is" and value not in _CONSTANTS:
        raise BadFilter("is. takes null, true or false")
    return Condition(column, op, value, negated is not None)


def _like(found: object, text: str) -> Any:
    """The text as a value of the same type; None when it is none."""
    try:
        if isinstance(found, bool):
            return _CONSTANTS[text]
        if isinstance(found, int):
            return int(text)
        if isinstance(found, datetime):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=found.tzinfo)
        if isinstance(found, date | float | Decimal | UUID):
            return date.fromisoformat(text) if isinstance(found, date) else type(found)(text)
    except (ArithmeticError, ValueError, KeyError):
        return None
    return text.strip('"') if isinstance(found, str) else None
