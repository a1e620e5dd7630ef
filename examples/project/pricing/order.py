"""Orders: lines of articles, and what they cost together."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pricing.discount import coupon, line_total


@dataclass(frozen=True)
class Line:
    """So many pieces of one article."""

    article: str
    unit_price: Decimal
    quantity: int

    @property
    def total(self) -> Decimal:
        return line_total(self.unit_price, self.quantity)


def total(lines: Iterable[Line], coupon_value: Decimal = Decimal(0)) -> Decimal:
    """What the whole order costs."""
    return coupon(sum((line.total for line in lines), Decimal(0)), coupon_value)
