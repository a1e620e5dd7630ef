"""Waiting for thousands: a slow machine is given its time, what hangs is not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bench.wait import while_it_gets_less

CASES: dict[str, tuple[Iterable[int], int]] = {
    "nothing is left from the beginning": ([0], 0),
    "it gets less each time, however slowly": (range(40, -1, -1), 0),
    "it stalls": ([5, 4, 3, 3, 3, 3, 3, 2, 1, 0], 3),
    "it gets more, and then no less than it was": ([5, 6, 7, 6, 5, 0], 5),
    "it never ends": (range(1000, 0, -1), 901),
}


@pytest.mark.parametrize("name", CASES)
async def test_what_is_left_at_last(name: str) -> None:
    """Looked at once a second; four without progress are a stall, a hundred are enough."""
    values, at_last = CASES[name]
    seconds, looks = 0.0, iter(values)

    def left() -> int:
        nonlocal seconds
        seconds += 1.0
        return next(looks)

    assert await while_it_gets_less(left, stalled=4.0, most=100.0, every=0.0, clock=lambda: seconds) == at_last
