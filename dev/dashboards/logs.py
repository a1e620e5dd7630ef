"""The way of a log line: sent, committed, shown; and the store that holds it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dev.dashboards.panels import lines, new, number, quantiles, row

EVERY = "[$__rate_interval]"


def dashboard() -> Dashboard:
    board = new("mentu-logs", "Mentu / Logs", "Lines per second, how late they are, and how the store is.")
    return _readers(_store(_refused(_lines(_numbers(board)))))


def _numbers(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(
            number("Store", "min(mentu_store_up)", about="1: its last write and its last check succeeded.")
        )
        .with_panel(number("Lines stored", "sum(increase(mentu_log_lines_stored_total[$__range]))"))
        .with_panel(
            number(
                "Lines cut off",
                "sum(increase(mentu_log_lines_truncated_total[$__range]))",
                about="Their attempt's log was full.",
            )
        )
        .with_panel(number("Lines not yet in a status", "sum(mentu_log_tail_lag_lines)", about="Of commands that run."))
    )


def _lines(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Lines"))
        .with_panel(
            lines(
                "Lines",
                (f"sum(rate(mentu_log_lines_stored_total{EVERY}))", "stored"),
                (f"sum(rate(mentu_log_lines_repeated_total{EVERY}))", "sent again"),
                (f"sum(rate(mentu_log_lines_truncated_total{EVERY}))", "cut off"),
                unit="ops",
            )
        )
        .with_panel(
            lines(
                "From a line's time to its commit",
                *quantiles("mentu_log_lag_seconds", 0.5, 0.95, 0.99),
                unit="s",
                about="By the sender's clock. What was spooled while the gateway was away shows as late, and is.",
            )
        )
        .with_panel(lines("Batches", (f"sum(rate(mentu_log_batches_total{EVERY}))", "acknowledged"), unit="ops"))
        .with_panel(
            lines(
                "Time of a batch",
                *quantiles("mentu_log_batch_seconds", 0.5, 0.99),
                (
                    "histogram_quantile(0.99, sum by (le) (rate(mentu_log_commit_seconds_bucket[$__rate_interval])))",
                    "p99 of it: commit",
                ),
                unit="s",
            )
        )
    )


def _refused(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Refused and replaced"))
        .with_panel(
            lines(
                "Requests to the intake that were refused",
                (f"sum by (reason) (rate(mentu_log_rejects_total{EVERY}))", "{{reason}}"),
                unit="ops",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Reads that were refused",
                (f"sum by (code) (rate(mentu_log_reads_refused_total{EVERY}))", "{{code}}"),
                unit="ops",
                span=8,
            )
        )
        .with_panel(
            lines("Tokens replaced in lines", (f"sum(rate(mentu_log_redactions_total{EVERY}))", "tokens"), span=8)
        )
    )


def _store(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Store"))
        .with_panel(
            lines(
                "Away",
                ("max(mentu_log_store_away_seconds)", "for an executor"),
                ("1 - min(mentu_store_up)", "for a gateway: 1"),
                unit="s",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Waiting for a commit",
                ("sum by (instance) (mentu_log_pending_bytes)", "{{instance}}"),
                unit="bytes",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Periodic jobs",
                (f"sum by (task, result) (rate(mentu_store_job_runs_total{EVERY}))", "{{task}} {{result}}"),
                *quantiles("mentu_store_job_seconds", 0.95),
                span=8,
            )
        )
    )


def _readers(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Live readers"))
        .with_panel(lines("Readers", ("sum by (instance) (mentu_live_readers)", "{{instance}}"), span=8))
        .with_panel(
            lines(
                "Recent lines kept", ("sum by (instance) (mentu_live_ring_bytes)", "{{instance}}"), unit="bytes", span=8
            )
        )
        .with_panel(
            lines(
                "Reads of the store for them",
                (f"sum(rate(mentu_live_store_reads_total{EVERY}))", "reads"),
                unit="ops",
                span=8,
            )
        )
    )
