"""How the work goes: success rate, execution time, what runs and what waits."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dev.dashboards.panels import lines, new, number, quantiles, row

ENDED = 'mentu_finished_total{phase=~"Succeeded|Failed"}'
SUCCEEDED = 'mentu_finished_total{phase="Succeeded"}'
ACTIVE = 'mentu_commands{phase=~"Claimed|Preparing|Running|Verifying|Publishing"}'


def dashboard() -> Dashboard:
    board = new("mentu-overview", "Mentu / Overview", "Success rate, execution time, what runs and what waits.")
    return _time(_work(_numbers(board)))


def _numbers(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(
            number(
                "Success rate",
                f"sum(increase({SUCCEEDED}[$__range])) / sum(increase({ENDED}[$__range]))",
                unit="percentunit",
                about="Of the commands that succeeded or failed; refused and cancelled ones are not counted.",
            )
        )
        .with_panel(number("Ended", "sum(increase(mentu_finished_total[$__range]))"))
        .with_panel(number("At work", f"sum({ACTIVE})"))
        .with_panel(number("Waiting", "sum(max by (reason) (mentu_commands_waiting))"))
    )


def _work(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Work"))
        .with_panel(
            lines(
                "Success rate over time",
                (f"sum(increase({SUCCEEDED}[1h])) / sum(increase({ENDED}[1h]))", "last hour"),
                (f"sum(increase({SUCCEEDED}[1d])) / sum(increase({ENDED}[1d]))", "last day"),
                unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "Commands that ended",
                ("sum by (phase) (increase(mentu_finished_total[$__rate_interval]))", "{{phase}}"),
                stacked=True,
            )
        )
        .with_panel(lines("At work, by phase", (f"sum by (phase) ({ACTIVE})", "{{phase}}"), stacked=True))
        .with_panel(
            lines(
                "Waiting, by reason",
                ("max by (reason) (mentu_commands_waiting)", "{{reason}}"),
                stacked=True,
                about="Every executor sees what waits: the largest is the number, not the sum.",
            )
        )
    )


def _time(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Execution time"))
        .with_panel(
            lines(
                "From claim to end",
                *quantiles("mentu_command_seconds", 0.5, 0.95, by="phase"),
                unit="s",
            )
        )
        .with_panel(lines("Agents at work", *quantiles("mentu_agent_seconds", 0.5, 0.95, 0.99), unit="s"))
        .with_panel(lines("From creation to claim", *quantiles("mentu_pickup_seconds", 0.5, 0.99), unit="s", span=8))
        .with_panel(
            lines(
                "From claim to the agent's start",
                *quantiles("mentu_start_seconds", 0.5, 0.95),
                (
                    "histogram_quantile(0.95, sum by (le) (rate(mentu_workspace_seconds_bucket[$__rate_interval])))",
                    "p95 of it: workspace",
                ),
                unit="s",
                span=8,
            )
        )
        .with_panel(lines("Publishing", *quantiles("mentu_publish_seconds", 0.5, 0.95), unit="s", span=8))
    )
