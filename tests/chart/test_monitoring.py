"""What the chart gives to Prometheus and Grafana, when it is asked to."""

from __future__ import annotations

import json
from typing import Any

import yaml
from tests.chart.rendering import CHART, RELEASE, Manifest, environment, of_kind, one, render

ON: dict[str, Any] = {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}


def alerts(**values: Any) -> list[Manifest]:
    rule = one("PrometheusRule", RELEASE, render(prometheusRule={"enabled": True, **values}))
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def test_the_rules_are_those_of_the_file() -> None:
    kept = yaml.safe_load((CHART / "rules" / "mentu.yaml").read_text())["groups"]
    assert one("PrometheusRule", RELEASE, render(**ON))["spec"]["groups"] == kept


def test_a_runbooks_address_is_where_the_pages_are_published() -> None:
    urls = {a["annotations"]["runbook_url"] for a in alerts(runbooks="https://wiki.example.test/mentu/")}
    assert "https://wiki.example.test/mentu/MentuNoExecutor.md" in urls
    assert all(url.startswith("https://wiki.example.test/mentu/Mentu") for url in urls)


def test_alerts_carry_the_labels_by_which_a_prometheus_finds_them() -> None:
    objects = render(prometheusRule={"enabled": True, "labels": {"release": "monitoring"}})
    assert one("PrometheusRule", RELEASE, objects)["metadata"]["labels"]["release"] == "monitoring"


def test_each_dashboard_is_a_config_map_that_the_sidecar_finds() -> None:
    maps = [o for o in of_kind("ConfigMap", render(**ON)) if "-dashboard-" in o["metadata"]["name"]]
    held = {name: json.loads(text) for m in maps for name, text in m["data"].items()}
    wanted = {path.name: json.loads(path.read_text()) for path in (CHART / "dashboards").glob("*.json")}
    assert held == wanted
    assert all(m["metadata"]["labels"]["grafana_dashboard"] == "1" for m in maps)


def test_a_folder_of_grafana_can_be_named() -> None:
    objects = render(dashboards={"enabled": True, "annotations": {"grafana_folder": "Mentu"}})
    made = one("ConfigMap", f"{RELEASE}-dashboard-overview", objects)
    assert made["metadata"]["annotations"] == {"grafana_folder": "Mentu"}


def test_traces_are_sent_where_the_value_says_and_else_nowhere() -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environment("executor", render())
    traced = environment("executor", render(tracing={"endpoint": "http://collector.example.test:4318"}))
    assert traced["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.example.test:4318"
