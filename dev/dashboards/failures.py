"""Failure patterns: which reasons, how often, since when."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dev.dashboards.panels import WHOLE, bars, lines, new, number, row, rows

BAD = 'mentu_finished_total{phase!="Succeeded"}'
FAILED = 'mentu_finished_total{phase="Failed"}'


def dashboard() -> Dashboard:
    board = new("mentu-failures", "Mentu / Failures", "Why commands fail, are refused or cancelled.", since="now-24h")
    return _left_over(_waiting(_reasons(_numbers(board))))


def _numbers(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(number("Failed", f"sum(increase({FAILED}[$__range]))"))
        .with_panel(number("Refused", 'sum(increase(mentu_finished_total{phase="Refused"}[$__range]))'))
        .with_panel(number("Cancelled", 'sum(increase(mentu_finished_total{phase="Cancelled"}[$__range]))'))
        .with_panel(
            number(
                "The model's fault",
                'sum(increase(mentu_finished_total{reason=~"Model.*"}[$__range]))',
                about="A bad key, no credit, a rate limit, an overloaded or absent model.",
            )
        )
    )


def _reasons(board: Dashboard) -> Dashboard:
    of_range = f"sum by (phase, reason) (increase({BAD}[$__range]))"
    return (
        board.with_row(row("Reasons"))
        .with_panel(
            lines(
                "Ends without success, by reason",
                (f"sum by (reason) (increase({BAD}[$__rate_interval]))", "{{reason}}"),
                stacked=True,
                span=WHOLE,
            )
        )
        .with_panel(
            bars("Most frequent reasons", f"topk(10, sum by (reason) (increase({BAD}[$__range])))", "{{reason}}")
        )
        .with_panel(rows("All reasons", f"sort_desc({of_range})"))
        .with_panel(
            lines(
                "Share of failures, by reason",
                (
                    f"sum by (reason) (increase({FAILED}[1h])) / on () group_left sum(increase({FAILED}[1h]))",
                    "{{reason}}",
                ),
                unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "Time until a command failed",
                (
                    'histogram_quantile(0.5, sum by (le) (rate(mentu_command_seconds_bucket{phase="Failed"}'
                    "[$__rate_interval])))",
                    "p50",
                ),
                (
                    'histogram_quantile(0.95, sum by (le) (rate(mentu_command_seconds_bucket{phase="Failed"}'
                    "[$__rate_interval])))",
                    "p95",
                ),
                unit="s",
                about="Seconds: it never began. The timeout: it did not come to an end.",
            )
        )
    )


def _waiting(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Held up"))
        .with_panel(
            lines(
                "Oldest that waits, by reason",
                ("max by (reason) (mentu_commands_waiting_oldest_seconds)", "{{reason}}"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Attempts that have ended, by reason",
                ("sum by (reason) (increase(mentu_attempts_total[$__rate_interval]))", "{{reason}}"),
                stacked=True,
                about="Also those that were retried or suspended: each is a paid agent, however its command ends.",
            )
        )
        .with_panel(lines("Not understood", ("max(mentu_unreadable_commands)", "BugCommands")))
    )


def _left_over(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Left over"))
        .with_panel(
            lines(
                "Found without their command",
                ("sum by (kind, verdict) (increase(mentu_swept_total[$__rate_interval]))", "{{kind}}: {{verdict}}"),
                about="Pods and volumes that had outlived their BugCommand, and what was done.",
            )
        )
        .with_panel(
            lines(
                "Kept volumes",
                ("max(mentu_kept_volumes)", "volumes"),
                about="Work or log lines may be nowhere else: kubectl get pvc -A -l mentu.dev/kept=true",
            )
        )
    )
