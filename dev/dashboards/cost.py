"""What agents say they have used: tokens and dollars."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dev.dashboards.panels import WHOLE, lines, new, number, row

SPENT = "sum(increase(mentu_cost_usd_total[$__range]))"
SUCCESSES = 'sum(increase(mentu_finished_total{phase="Succeeded"}[$__range]))'


def dashboard() -> Dashboard:
    board = new("mentu-cost", "Mentu / Cost", "Tokens and dollars, as the agents report them.", since="now-7d")
    return _time(_numbers(board))


def _numbers(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(number("Spent", SPENT, unit="currencyUSD"))
        .with_panel(
            number(
                "For each success",
                f"{SPENT} / {SUCCESSES}",
                unit="currencyUSD",
                about="What failed is paid for too, and is in it.",
            )
        )
        .with_panel(number("Tokens in", 'sum(increase(mentu_tokens_total{direction="input"}[$__range]))'))
        .with_panel(number("Tokens out", 'sum(increase(mentu_tokens_total{direction="output"}[$__range]))'))
    )


def _time(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Over time"))
        .with_panel(
            lines(
                "Spent over time",
                ("sum(increase(mentu_cost_usd_total[1h]))", "last hour"),
                ("sum(increase(mentu_cost_usd_total[1d]))", "last day"),
                unit="currencyUSD",
                span=WHOLE,
                about="Counted when an agent ends. One that reports no cost adds none.",
            )
        )
        .with_panel(
            lines(
                "Tokens",
                ("sum by (direction) (rate(mentu_tokens_total[$__rate_interval]))", "{{direction}}"),
                unit="ops",
            )
        )
        .with_panel(
            lines(
                "For each command that ended",
                ("sum(increase(mentu_cost_usd_total[1h])) / sum(increase(mentu_finished_total[1h]))", "last hour"),
                unit="currencyUSD",
            )
        )
    )
