"""Discounts by quantity, and coupons."""

import unittest
from decimal import Decimal

from pricing import coupon, line_total, rate_for


class RateTest(unittest.TestCase):
    def test_a_few_pieces_get_no_discount(self) -> None:
        self.assertEqual(rate_for(0), Decimal(0))
        self.assertEqual(rate_for(9), Decimal(0))

    def test_more_pieces_get_a_higher_rate(self) -> None:
        self.assertEqual(rate_for(30), Decimal("0.05"))
        self.assertEqual(rate_for(120), Decimal("0.10"))
        self.assertEqual(rate_for(1000), Decimal("0.15"))

    def test_the_discount_starts_at_the_quantity_in_the_price_list(self) -> None:
        for quantity, rate in ((10, "0.05"), (50, "0.10"), (200, "0.15")):
            with self.subTest(quantity=quantity):
                self.assertEqual(rate_for(quantity), Decimal(rate))

    def test_a_negative_quantity_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            rate_for(-1)


class LineTotalTest(unittest.TestCase):
    def test_cents_are_rounded_half_up(self) -> None:
        self.assertEqual(line_total(Decimal("0.335"), 1), Decimal("0.34"))

    def test_the_discount_is_taken_off_the_whole_line(self) -> None:
        self.assertEqual(line_total(Decimal("2.00"), 20), Decimal("38.00"))


class CouponTest(unittest.TestCase):
    def test_a_coupon_never_pays_money_out(self) -> None:
        self.assertEqual(coupon(Decimal("5.00"), Decimal("8.00")), Decimal(0))


if __name__ == "__main__":
    unittest.main()
