"""Amounts of money."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """Round to cents, half up, as on an invoice."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
