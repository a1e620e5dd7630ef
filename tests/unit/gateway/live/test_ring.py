"""The ring: what it answers is complete, and it stays within its bound."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.live.fakes import batch_of

from bugcommand_operator.gateway.live.line import lines_of
from bugcommand_operator.gateway.live.ring import Ring, Run

LIMIT = 40_000

commits = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 12), st.integers(0, 3), st.booleans()), min_size=1, max_size=60
)


@given(commits)
def test_a_run_holds_every_committed_line_of_the_interval_it_claims(steps: list[tuple[int, int, int, bool]]) -> None:
    """Commits of three attempts; some lines are skipped and committed later, some are another gateway's."""
    ring, runs = Ring(LIMIT), [Run(), Run(), Run()]
    committed: list[set[int]] = [set(), set(), set()]
    left_out: list[set[int]] = [set(), set(), set()]
    for which, count, skip, is_own in steps:
        start = max(committed[which] | left_out[which] | {0}) + 1
        left_out[which] |= set(range(start, start + skip))
        new = set(range(start + skip, start + skip + count))
        if skip == 3:  # what was left out comes at last, with new lines behind it
            new, left_out[which] = new | left_out[which], set()
        committed[which] |= new
        if is_own:
            ring.add(runs[which], lines_of(batch_of(sorted(new))))
        elif min(new) <= runs[which].high:
            ring.drop(runs[which])  # as a reader would find by the announced head
        for run, known in zip(runs, committed, strict=True):
            _is_complete(run, known)
        assert ring.size == sum(segment.size for run in runs for segment in run.segments) <= LIMIT


def _is_complete(run: Run, committed: set[int]) -> None:
    for seq in range(run.low, run.high + 1):
        assert run.covers(seq)
        assert [line.seq for line in run.after(seq)] == list(range(seq + 1, run.high + 1))
    assert {line.seq for line in run.after(run.low)} <= committed
    assert not run.covers(run.low - 1)


def test_what_came_first_makes_room_first() -> None:
    ring, one, other = Ring(10_000), Run(), Run()
    ring.add(one, lines_of(batch_of(range(1, 5))))
    ring.add(other, lines_of(batch_of(range(1, 5))))
    ring.add(other, lines_of(batch_of(range(5, 12))))
    assert (one.low, one.high, one.covers(0), one.covers(4)) == (4, 4, False, True)
    assert other.high == 11


def test_a_line_larger_than_the_ring_leaves_it_empty_and_the_interval_right() -> None:
    ring, run = Ring(5_000), Run()
    ring.add(run, lines_of(batch_of([1], message="x" * 10_000)))
    assert (run.low, run.high, ring.size, list(run.after(1))) == (1, 1, 0, [])


def test_dropping_a_run_gives_its_bytes_back() -> None:
    ring, run = Ring(LIMIT), Run()
    ring.add(run, lines_of(batch_of(range(1, 9))))
    ring.drop(run)
    assert (ring.size, run.low, run.high) == (0, 8, 8)
