"""Orders as customers place them."""

import unittest
from decimal import Decimal

from pricing import Line, total


class TotalTest(unittest.TestCase):
    def test_lines_are_added_up(self) -> None:
        lines = [Line("pen", Decimal("1.20"), 3), Line("ink", Decimal("4.50"), 1)]
        self.assertEqual(total(lines), Decimal("8.10"))

    def test_each_article_gets_its_own_discount(self) -> None:
        lines = [Line("pen", Decimal("1.00"), 6), Line("ink", Decimal("1.00"), 60)]
        self.assertEqual(total(lines), Decimal("60.00"))

    def test_an_order_of_exactly_fifty_pieces_is_invoiced_with_ten_percent_off(self) -> None:
        self.assertEqual(total([Line("folder", Decimal("3.00"), 50)]), Decimal("135.00"))

    def test_the_coupon_comes_off_the_sum(self) -> None:
        self.assertEqual(total([Line("pen", Decimal("1.20"), 5)], Decimal("1.00")), Decimal("5.00"))


if __name__ == "__main__":
    unittest.main()
