"""The few kinds of panel that the dashboards are made of, so that they all look and read alike.

Queries sum over whatever executors and gateways there are. A command that has been claimed is reported by its own
executor alone, one that waits by each of them: hence `sum` for the one and `max` for the other.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, DataTransformerConfig
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WHOLE, HALF, THIRD, QUARTER = 8, 24, 12, 8, 6
Query = tuple[str, str]
"""PromQL, and what its series are called."""


def new(uid: str, title: str, description: str, *, since: str = "now-6h") -> Dashboard:
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["mentu"])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )


def row(title: str) -> Row:
    return Row(title)


def number(title: str, expr: str, *, unit: str = "short", span: int = QUARTER, about: str = "") -> stat.Panel:
    query = Dataquery().expr(expr).instant().ref_id("A").datasource(SOURCE)
    panel = stat.Panel().title(title).unit(unit).height(4).span(span).datasource(SOURCE).with_target(query)
    panel = panel.reduce_options(_last())
    return panel.description(about) if about else panel


def lines(
    title: str, *queries: Query, unit: str = "short", span: int = HALF, stacked: bool = False, about: str = ""
) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).unit(unit).min(0).height(HEIGHT).span(span).datasource(SOURCE)
    panel = panel.legend(common.VizLegendOptions().show_legend(True).calcs(["lastNotNull", "max"]))
    if stacked:
        panel = (
            panel.draw_style(GraphDrawStyle.BARS)
            .fill_opacity(60)
            .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        )
    if about:
        panel = panel.description(about)
    for letter, (expr, legend) in zip("ABCDEFGH", queries, strict=False):
        query = Dataquery().expr(expr).range().legend_format(legend).ref_id(letter).datasource(SOURCE)
        panel = panel.with_target(query)
    return panel


def bars(title: str, expr: str, legend: str, *, span: int = HALF, about: str = "") -> bargauge.Panel:
    query = Dataquery().expr(expr).instant().legend_format(legend).ref_id("A").datasource(SOURCE)
    panel = bargauge.Panel().title(title).height(HEIGHT).span(span).min(0).datasource(SOURCE).with_target(query)
    panel = panel.orientation(VizOrientation.HORIZONTAL).reduce_options(_last())
    return panel.description(about) if about else panel


def rows(title: str, expr: str, *, span: int = HALF, about: str = "") -> table.Panel:
    query = Dataquery().expr(expr).instant().ref_id("A").datasource(SOURCE).format(PromQueryFormat.TABLE)
    panel = table.Panel().title(title).height(HEIGHT).span(span).datasource(SOURCE).with_target(query).show_header(True)
    without_time = DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    panel = panel.with_transformation(without_time)
    return panel.description(about) if about else panel


def quantiles(metric: str, *of: float, by: str = "") -> list[Query]:
    """Of a histogram, over the panel's own interval."""
    labels = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return [
        (f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))", f"p{q * 100:g}{name}")
        for q in of
    ]


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])
