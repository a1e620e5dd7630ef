"""Tokens and money of several attempts, added up. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from bugcommand_operator.api.bugcommand import Usage


def together(earlier: Usage | None, now: Usage) -> Usage:
    """What an attempt has reported is its own alone."""
    if earlier is None:
        return now
    return Usage(
        input_tokens=earlier.input_tokens + now.input_tokens,
        output_tokens=earlier.output_tokens + now.output_tokens,
        cost_usd=_sum(earlier.cost_usd, now.cost_usd),
    )


def _sum(*costs: str | None) -> str | None:
    known = [amount for amount in map(_amount, costs) if amount is not None]
    return format(round(sum(known, Decimal(0)), 6).normalize() + 0, "f") if known else None


def _amount(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text is not None else None
    except InvalidOperation:
        return None
