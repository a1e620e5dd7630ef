from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench import outcome, report
from bench.outcome import Row, at_most, at_most_more, case, times_faster
from bench.rounds import Sample
from rich.console import Console


def sample(ours: list[float], theirs: list[float]) -> Sample:
    return Sample({"ours": ours, "theirs": theirs}, discarded=1, quiet=True)


def one_case(goal: outcome.Goal, ours: float, theirs: float) -> outcome.Case:
    return case("x", sample([ours] * 10, [theirs] * 10), "ours", "theirs", goal)


@pytest.mark.parametrize(
    ("goal", "ours", "theirs", "ok"),
    [
        (at_most(1.3), 1.3, 1.0, True),
        (at_most(1.3), 1.31, 1.0, False),
        (times_faster(4), 1.0, 4.0, True),
        (times_faster(4), 1.0, 3.9, False),
        (at_most_more(0.3), 1.29, 1.0, True),
        (at_most_more(0.3), 1.31, 1.0, False),
        (outcome.SHOWN, 9.0, 1.0, None),
    ],
)
def test_a_goal_holds_up_to_its_limit_and_no_further(
    goal: outcome.Goal, ours: float, theirs: float, ok: bool | None
) -> None:
    assert one_case(goal, ours, theirs).ok is ok


def test_the_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians() -> None:
    made = case("x", sample([1.0, 10.0, 3.0], [1.0, 5.0, 1.0]), "ours", "theirs", at_most(2))
    assert made.ratio.value == 2.0
    assert made.to_dict()["value"] == 3000.0
    assert made.to_dict()["peer"] == 1000.0


def test_a_row_fails_with_any_of_its_cases_and_its_headline_is_the_worst() -> None:
    row = Row("P1", "t", (one_case(at_most(1.3), 1.0, 1.0), one_case(at_most(1.2), 1.5, 1.0)))
    shown = row.to_dict()
    assert shown["ok"] is False
    assert (shown["ratio"], shown["goal"]) == (1.5, "≤ 1.2×")


def test_a_case_that_is_only_shown_decides_nothing() -> None:
    row = Row("P3", "t", (one_case(at_most_more(0.3), 1.0, 0.9), one_case(outcome.SHOWN, 9.0, 1.0)))
    assert row.ok
    assert row.to_dict()["goal"] == "≤ peer + 300 ms"


def test_results_hold_what_the_table_shows_by_row_and_stay_under_their_date(tmp_path: Path) -> None:
    row = Row("P1", "t", (one_case(at_most(1.3), 1.0, 1.0),), {"note": 3})
    latest = report.save([row], tmp_path, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    read = json.loads(latest.read_text())
    assert {"value", "unit", "peer", "ratio", "goal", "ok"} <= read["P1"].keys()
    assert read["P1"]["cases"][0]["n"] == 10
    assert (tmp_path / "2026-01-02T030405Z.json").read_text() == latest.read_text()


def test_the_table_names_what_missed_its_goal(tmp_path: Path) -> None:
    rows = [Row("P8", "t", (one_case(at_most(1.1), 2.0, 1.0),))]
    with (tmp_path / "out").open("w") as file:
        report.show(rows, Console(file=file, width=200))
    text = (tmp_path / "out").read_text()
    assert "missed" in text
    assert "2.00×" in text


def test_the_table_shows_a_figure_beside_its_peer_and_judges_it_by_its_bound(tmp_path: Path) -> None:
    row = Row("SCALE", "t", (outcome.Figure("restart", "s", 14.0, 10, 1, peer_name="no-op", peer=7.0),))
    with (tmp_path / "out").open("w") as file:
        report.show([row], Console(file=file, width=200))
    text = (tmp_path / "out").read_text()
    assert "missed" in text
    assert "2.00×" in text


def test_the_page_keeps_its_text_and_changes_its_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    rows = [Row("P8", "t", (one_case(at_most(1.1), 2.0, 1.0),), {"note": "x"})]
    report.write_page(rows, page, datetime(2026, 1, 2, tzinfo=UTC))
    report.write_page(rows, page, datetime(2026, 1, 2, tzinfo=UTC))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("**missed**") == 1


def test_what_has_no_peer_is_held_against_its_bound_and_shown_like_the_others(tmp_path: Path) -> None:
    rows = [Row("P6", "t", (outcome.Figure("lost", "lines", 1, 0, n=1), outcome.Figure("lag", "ms", 200, 250, n=1)))]
    shown = rows[0].to_dict()
    assert (shown["ok"], shown["what"], shown["value"], shown["peer"]) == (False, "lost", 1, None)
    told = report.markdown({"P6": shown}, datetime(2026, 1, 2, tzinfo=UTC))
    assert "| P6 | lost | 1 lines | | | | 1 | ≤ 0 lines | **missed** | 2026-01-02 |" in told
    with (tmp_path / "out").open("w") as file:
        report.show(rows, Console(file=file, width=200))
    assert "missed" in (tmp_path / "out").read_text()


def test_rows_that_were_not_measured_this_time_stay_on_the_page_with_their_date(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{report.BEGIN}\n{report.END}\n")
    for number, day in ((12, 1), (8, 2), (8, 3)):
        rows = [Row(f"P{number}", "t", (one_case(at_most(1.1), 2.0, 1.0),), {"note": day})]
        report.write_page(rows, page, datetime(2026, 1, day, tzinfo=UTC))
    told = [line for line in page.read_text().splitlines() if line.startswith(("| P", "- P"))]
    assert [line.split()[1] for line in told] == ["P8", "P12", "P8,", "P12,"]
    assert told[0].endswith("| 2026-01-03 |")
    assert told[1].endswith("| 2026-01-01 |")
