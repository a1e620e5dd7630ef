"""The figures that the demo shows are those of the chart's own dashboards, in their units."""

from __future__ import annotations

from pathlib import Path

import pytest
from dev.demo import figures
from tests.support import prometheus


def samples(*values: str) -> list[dict[str, object]]:
    return [{"metric": {}, "value": [0, value]} for value in values]


def test_there_are_figures_of_each_dashboard() -> None:
    found = figures.panels()
    assert {panel.dashboard for panel in found} == {"Overview", "Failures", "Executors", "Logs", "Cost"}
    assert ("Overview", "Success rate", "percentunit") in {(p.dashboard, p.title, p.unit) for p in found}


def test_nothing_of_grafana_is_left_in_a_query() -> None:
    assert [asked for panel in figures.panels() if "$" in (asked := figures.asked(panel.expr))] == []


@pytest.mark.parametrize(
    ("what", "unit", "value", "shown"),
    [
        ("a share is a percentage", "percentunit", "0.5", "50%"),
        ("money has four decimals: an agent's work may cost a cent", "currencyUSD", "0.0123", "$0.0123"),
        ("what increase() has estimated is whole again", "short", "68.3", "68"),
        ("thousands are set apart", "short", "12000", "12,000"),
        ("nothing by nothing is no number", "percentunit", "NaN", "–"),
    ],
)
def test_a_figure_is_shown_in_its_unit(what: str, unit: str, value: str, shown: str) -> None:
    assert figures.shown(unit, samples(value)) == shown, what


def test_a_query_without_a_result_is_shown_as_a_dash() -> None:
    assert figures.shown("short", samples()) == "–"


def test_a_prometheus_that_cannot_scrape_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(prometheus, "program", lambda _name: str(program))
    monkeypatch.setattr(prometheus, "SECONDS", 0.3)
    scraping = prometheus.Prometheus(tmp_path, {"nobody": 1})
    with pytest.raises(AssertionError, match="nothing came of up"), scraping:
        pass
    assert scraping._process is not None
    assert scraping._process.poll() is not None
