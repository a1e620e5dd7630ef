"""The table for people and the files for machines."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.outcome import Case, Figure, Row

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
HEAD = (
    "p50 (p90) in ms, on a machine of two cores; the ratio and its 95 % interval are the median of the pairs'.",
    "",
    "| | what | ours | peer | | ratio | n | goal | | measured |",
    "| --- | --- | ---: | --- | ---: | ---: | ---: | --- | --- | --- |",
)
BEGIN, END = "<!-- figures: make bench BENCH=--write -->", "<!-- end of figures -->"


def table(rows: list[Row]) -> Table:
    made = Table(title="Benchmarks: p50 (p90) in ms; ratio: median of the pairs' ratios (95 % interval)")
    for name in ("", "what", "ours", "peer", "", "ratio", "difference", "n", "goal", ""):
        made.add_column(name, justify="right" if name in ("ours", "ratio", "difference", "n") else "left")
    for row in rows:
        for number, case in enumerate(row.cases):
            made.add_row(row.id if number == 0 else "", *_cells(case), end_section=case is row.cases[-1])
    return made


def _cells(case: Case | Figure) -> list[str]:
    shown = case.to_dict()
    verdict = {True: "[green]ok[/green]", False: "[red]missed[/red]", None: ""}[case.ok]
    if isinstance(case, Figure):
        peer, ratio = ("", "") if case.peer is None else (f"{case.peer:g} {case.unit}", f"{shown['ratio']:.2f}×")
        ours = f"{case.value:g} {case.unit}"
        return [case.what, ours, case.peer_name, peer, ratio, "", str(case.n), shown["goal"], verdict]
    low, high = shown["interval"]
    return [
        case.what,
        f"{shown['value']:.1f} ({shown['p90']:.1f})",
        case.peer_name,
        f"{shown['peer']:.1f} ({shown['peer_p90']:.1f})",
        f"{shown['ratio']:.2f}× ({low:.2f}–{high:.2f})",
        f"{shown['difference']:+.1f}",
        str(shown["n"]),
        case.goal.text,
        verdict + ("" if case.quiet else " [yellow]not quiet[/yellow]"),
    ]


def document(rows: list[Row], now: datetime) -> dict[str, Any]:
    return {
        **{row.id: row.to_dict() for row in rows},
        "meta": {
            "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 2),
        },
    }


def save(rows: list[Row], folder: Path = RESULTS, now: datetime | None = None) -> Path:
    """`latest.json`, and the same under its date. Rows that were not measured this time stay in neither."""
    now = now or datetime.now(UTC)
    text = json.dumps(document(rows, now), indent=2, ensure_ascii=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (now.strftime("%Y-%m-%dT%H%M%SZ"), "latest"):
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder / "latest.json"


def show(rows: list[Row], console: Console) -> None:
    console.print(table(rows))
    for row in rows:
        for name, value in row.notes.items():
            console.print(f"{row.id}  {name}: {value}", highlight=False)


def markdown(rows: Mapping[str, dict[str, Any]], now: datetime, before: str = "") -> str:
    """The figures as docs/performance.md shows them, from rows as they are saved. What was not measured this time
    stays as it was `before`, with its own date."""
    figures = _kept(before, "| P", rows) + [_figure(*of, now) for of in _cases(rows)]
    notes = _kept(before, "- P", rows) + [
        f"- {name}, {note}: {value}" for name, row in rows.items() for note, value in row["notes"].items()
    ]
    return "\n".join([*HEAD, *sorted(figures, key=_number), "", *sorted(notes, key=_number)])


def _cases(rows: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, case) for name, row in rows.items() for case in row["cases"]]


def _figure(name: str, case: dict[str, Any], now: datetime) -> str:
    verdict = {True: "met", False: "**missed**", None: ""}[case["ok"]] + ("" if case["quiet"] else " (not quiet)")
    end = f"{case['n']} | {case['goal']} | {verdict} | {now:%Y-%m-%d} |"
    if case["peer"] is None:
        return f"| {name} | {case['what']} | {case['value']:g} {case['unit']} | | | | {end}"
    if "interval" not in case:
        peer = f"{case['peer_name']} | {case['peer']:g} {case['unit']}"
        return f"| {name} | {case['what']} | {case['value']:g} {case['unit']} | {peer} | {case['ratio']:.2f} | {end}"
    low, high = case["interval"]
    peer = f"{case['peer_name']} | {case['peer']:.1f} ({case['peer_p90']:.1f})"
    ratio = f"{case['ratio']:.2f} ({low:.2f}–{high:.2f})"
    return f"| {name} | {case['what']} | {case['value']:.1f} ({case['p90']:.1f}) | {peer} | {ratio} | {end}"


def _kept(before: str, start: str, rows: Mapping[str, dict[str, Any]]) -> list[str]:
    lines = [line for line in before.splitlines() if line.startswith(start)]
    return [line for line in lines if line[2:].split(" ")[0].rstrip(",") not in rows]


def _number(line: str) -> int:
    """Of the row, so that P12 comes after P8."""
    return int(re.findall(r"P(\d+)", line)[0])


def write_page(rows: list[Row], page: Path = PAGE, now: datetime | None = None) -> None:
    """Puts the figures between the page's two marks and leaves the rest alone."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    figures = markdown({row.id: row.to_dict() for row in rows}, now or datetime.now(UTC), old)
    page.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}", encoding="utf-8")
