"""Prices of orders."""

from pricing.discount import coupon, line_total, rate_for
from pricing.money import cents
from pricing.order import Line, total

__all__ = ["Line", "cents", "coupon", "line_total", "rate_for", "total"]
