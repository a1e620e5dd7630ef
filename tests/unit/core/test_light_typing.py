"""The stand-in for NamedTuple behaves like the real one where the code relies on it."""

from __future__ import annotations

import copy
import pickle

import pytest

from bugcommand_operator.core.light_typing import NamedTuple


class Point(NamedTuple):
    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y


def test_fields_come_by_position_by_name_and_by_default() -> None:
    assert Point(1) == Point(x=1, y=2) == (1, 2)
    assert (Point(3, 4).x, Point(3, y=4).y, Point(3).sum) == (3, 4, 5)
    assert repr(Point(1)) == "Point(x=1, y=2)"
    x, y = Point(5, 6)
    assert (x, y) == (5, 6)


def test_it_cannot_be_changed_only_replaced() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    assert point._replace(y=9) == Point(1, 9)
    assert point == Point(1)


def test_arguments_that_do_not_fit_are_refused() -> None:
    for arguments, named in (((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})):
        with pytest.raises(TypeError):
            Point(*arguments, **named)
    with pytest.raises(TypeError):
        Point(1)._replace(z=1)  # type: ignore[call-arg]


def test_it_can_be_copied_and_hashed() -> None:
    assert copy.deepcopy(Point(1)) == pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert len({Point(1), Point(1), Point(2)}) == 2
