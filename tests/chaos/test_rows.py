"""The table of faults names tests that are there, and its page is what the code says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from dev.chaos.rows import ROWS, Outcomes, Row, markdown, verdict

TOP = Path(__file__).parents[2]


def test_every_fault_has_its_row() -> None:
    assert [row.number for row in ROWS] == list(range(1, 26))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_what_a_row_names_is_there(row: Row) -> None:
    for test in row.shown_by:
        path, _, name = test.partition("::")
        assert (TOP / path).is_file(), path
        assert not name or f"def {name}(" in (TOP / path).read_text(), test
    assert row.shown_by or row.lacks


def test_the_page_is_the_table() -> None:
    page = (TOP / "docs" / "faults.md").read_text()
    for line in markdown():
        assert line in page, f"docs/faults.md lacks: {line}"


def outcome(*reports: tuple[str, str, bool]) -> Outcomes:
    outcomes = Outcomes()
    for node, when, passed in reports:
        outcomes.pytest_runtest_logreport(SimpleNamespace(nodeid=node, when=when, passed=passed, failed=not passed))
    return outcomes


def test_a_row_holds_only_if_all_of_its_tests_ran_and_passed() -> None:
    row = Row(1, "a fault", ("tests/a.py::test_x", "tests/e2e/b.py"), "")
    passed = ("tests/a.py::test_x[1]", "call", True)

    assert verdict(row, outcome(passed), with_cluster=False)[0]
    assert not verdict(row, outcome(passed), with_cluster=True)[0], "a test of the cluster did not run"
    assert not verdict(row, outcome(passed, ("tests/a.py::test_x[2]", "call", False)), with_cluster=False)[0]
    assert not verdict(row, outcome(("tests/a.py::test_xy", "call", True)), with_cluster=False)[0]
    assert not verdict(row, outcome(passed, ("tests/e2e/b.py::test_y", "setup", False)), with_cluster=True)[0]
