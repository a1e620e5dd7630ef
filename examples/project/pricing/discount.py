"""Discounts by quantity, and coupons."""

from decimal import Decimal

from pricing.money import cents

# From this many pieces of one article on, this much off.
TIERS = (
    (200, Decimal("0.15")),
    (50, Decimal("0.10")),
    (10, Decimal("0.05")),
)


def rate_for(quantity: int) -> Decimal:
    """The discount rate for so many pieces of one article."""
    if quantity < 0:
        raise ValueError(f"quantity must not be negative: {quantity}")
    for pieces, rate in TIERS:
        if quantity > pieces:
            return rate
    return Decimal(0)


def line_total(unit_price: Decimal, quantity: int) -> Decimal:
    """What a line costs, discount taken off."""
    full = unit_price * quantity
    return cents(full - full * rate_for(quantity))


def coupon(amount: Decimal, value: Decimal) -> Decimal:
    """What is left to pay once a coupon was taken off."""
    return max(amount - value, Decimal(0))
