"""Metrics, their documentation, dashboards, alerts and runbooks name the same things."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.dashboards.__main__ import FOLDER
from dev.dashboards.catalog import DASHBOARDS, as_json
from tests.support.metric_inventory import NAMES, Described, names_of, of_executor, of_gateway

TOP = Path(__file__).parents[3]
RUNBOOKS = TOP / "docs" / "runbooks"
RULES = TOP / "helm" / "mentu-operator" / "rules" / "mentu.yaml"
ROW = re.compile(r"^\| `(mentu_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", flags=re.MULTILINE)
OF_PROMETHEUS = {"job", "instance", "pod", "namespace", "service", "endpoint", "container"}
OF_OBJECTS = {
    "name",
    "command",
    "bugcommand",
    "repository",
    "agent",
    "command_id",
    "commitment",
    "commitment_id",
    "uid",
}


@pytest.fixture
def exposed(monkeypatch: pytest.MonkeyPatch) -> list[Described]:
    return [*of_executor(), *of_gateway(monkeypatch)]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_every_metric_is_documented_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (TOP / "docs" / "metrics.md").read_text()
    of_each = text.partition("\n## Executor\n")[2].partition("\n## Gateway\n")
    for part, wanted in ((of_each[0], of_executor()), (of_each[2], of_gateway(monkeypatch))):
        rows = [
            Described(n, t, tuple(re.findall(r"`(\w+)`", labels)), said) for n, t, labels, said in ROW.findall(part)
        ]
        assert rows == wanted


def test_no_metric_is_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {m.name for m in of_executor()} & {m.name for m in of_gateway(monkeypatch)}


def test_no_label_carries_an_objects_name_or_is_prometheus_own(exposed: list[Described]) -> None:
    for metric in exposed:
        assert not set(metric.labels) & (OF_OBJECTS | OF_PROMETHEUS), metric.name


@pytest.mark.parametrize("path", [RULES, *sorted(FOLDER.glob("*.json"))], ids=lambda path: path.name)
def test_rules_and_dashboards_name_only_metrics_that_are_there(path: Path, exposed: list[Described]) -> None:
    named = set(NAMES.findall(path.read_text()))
    assert named
    assert named <= names_of(exposed)


def test_the_executors_metrics_are_all_looked_at_somewhere() -> None:
    named = {n for path in (RULES, *FOLDER.glob("*.json")) for n in NAMES.findall(path.read_text())}
    unused = {m.name for m in of_executor() if not named & names_of([m])}
    assert unused == set()


def test_dashboards_are_as_their_code_makes_them() -> None:
    kept = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    assert sorted(kept) == sorted(DASHBOARDS)
    stale = [name for name, build in DASHBOARDS.items() if as_json(build()) != kept[name]]
    assert stale == [], "run `make dashboards`"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board = json.loads(path.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert board["uid"] == path.stem
    assert [v["type"] for v in board["templating"]["list"]] == ["datasource"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["options"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in board["panels"]]
    assert len(set(places)) == len(places), "two panels in one place"


def test_every_alert_has_a_page_that_tells_what_to_do_and_every_page_an_alert() -> None:
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("Mentu*.md")}
    assert sorted(pages) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        page = pages[rule["alert"]]
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
        assert rule["expr"].strip() in page, f"{rule['alert']}: its page shows another expression"
        assert f"Severity: {rule['labels']['severity']}." in page
        for title in ("## What it means", "## What to look at", "## What to do"):
            assert len(page.partition(title)[2].partition("\n## ")[0]) > 60, f"{rule['alert']}: {title}"


def test_links_between_runbooks_lead_somewhere() -> None:
    for path in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (RUNBOOKS / target).exists(), f"{path.name}: {target}"


def test_every_alert_says_what_it_is_and_how_bad() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
