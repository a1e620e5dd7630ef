"""An oracle that finds nothing proves nothing."""

import pytest
from tests.process.fidelity.oracle import Verdict, judge


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ([1, 2, 3], Verdict(3)),
        ([1, 3], Verdict(2, lost=1)),
        ([1, 2], Verdict(2, lost=1)),
        ([1, 2, 2, 3], Verdict(4, doubled=1)),
        ([1, 3, 2], Verdict(3, disordered=1)),
        ([], Verdict(0, lost=3)),
        ([2, 1, 2], Verdict(3, lost=1, doubled=1, disordered=1)),
    ],
    ids=["all", "one missing", "the last missing", "one twice", "two changed places", "none", "everything wrong"],
)
def test_every_kind_of_fault_is_counted(numbers: list[int], verdict: Verdict) -> None:
    assert judge(numbers, 3) == verdict
    assert verdict.is_faultless == (numbers == [1, 2, 3])
