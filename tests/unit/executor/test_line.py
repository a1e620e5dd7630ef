"""The line against a plain sorted list: whatever comes and goes, the next one is the first whose lane has room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.queueing import Turn
from bugcommand_operator.executor.line import Lane, Line, Order

LANES = [Lane("a", "x", True), Lane("a", "y", True), Lane("b", "x", False)]
TURNS = st.builds(Turn, st.integers(0, 5).map(float), st.just(0.0), st.just("n"), st.sampled_from("pqrst"))
CHANGES = st.lists(st.tuples(st.booleans(), TURNS, st.sampled_from(LANES)), max_size=40)


@given(CHANGES, st.sets(st.sampled_from(LANES)))
def test_the_next_is_the_first_of_those_whose_lane_has_room(
    changes: list[tuple[bool, Turn, Lane]], free: set[Lane]
) -> None:
    line, plain = Line(), dict[tuple[str, str], tuple[Turn, Lane]]()
    for is_put, turn, lane in changes:
        if is_put:
            line.put(turn, lane)
            plain[turn.key] = (turn, lane)
        else:
            line.drop(turn.key)
            plain.pop(turn.key, None)
        expected = sorted(turn for turn, lane in plain.values() if lane in free)
        assert line.next(free.__contains__) == (expected[0].key if expected else None)
        assert len(line) == len(plain)
        assert all(key in line for key in plain)


@given(st.lists(st.tuples(st.booleans(), TURNS), max_size=40), st.none() | TURNS, st.integers(0, 4))
def test_an_order_tells_places(changes: list[tuple[bool, Turn]], reached: Turn | None, most: int) -> None:
    order, plain = Order(), dict[tuple[str, str], Turn]()
    for is_put, turn in changes:
        if is_put:
            order.put(turn)
            plain[turn.key] = turn
        else:
            order.drop(turn.key)
            plain.pop(turn.key, None)
    places = list(enumerate(sorted(plain.values()), 1))
    assert [order.place(turn) for _, turn in places] == [place for place, _ in places]
    assert list(order.after(reached, most)) == [(p, t) for p, t in places if reached is None or t > reached][:most]
