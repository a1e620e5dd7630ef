"""The executors themselves: alive, busy, keeping up, hearing from the API server."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dev.dashboards.panels import lines, new, number, quantiles, row

TAKEN = 'mentu_commands{phase=~"Claimed|Preparing|Running|Verifying|Publishing"}'


def dashboard() -> Dashboard:
    board = new("mentu-executors", "Mentu / Executors", "Alive, busy, keeping up, hearing from the API server.")
    return _process(_watches(_passes(_leases(_claims(_numbers(board))))))


def _numbers(board: Dashboard) -> Dashboard:
    return (
        board.with_panel(number("Executors", "count(mentu_executor_capacity)", about="That answer to Prometheus."))
        .with_panel(
            number(
                "Leases alive",
                "max(mentu_executors_alive) or count(mentu_executor_capacity)",
                about="As the executors see each other; where none says, those that answer.",
            )
        )
        .with_panel(number("Slots taken", f"sum({TAKEN}) / sum(mentu_executor_capacity)", unit="percentunit"))
        .with_panel(number("Passes that failed", 'sum(increase(mentu_reconcile_total{result="failed"}[$__range]))'))
    )


def _claims(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Claims"))
        .with_panel(
            lines(
                "Slots",
                (f"sum by (instance) ({TAKEN})", "taken {{instance}}"),
                ("mentu_executor_capacity", "capacity {{instance}}"),
                span=8,
            )
        )
        .with_panel(
            lines(
                "Claims",
                ("sum by (instance, result) (rate(mentu_claims_total[$__rate_interval]))", "{{result}} {{instance}}"),
                unit="ops",
                span=8,
                about="A lost claim costs one request: another executor was quicker.",
            )
        )
        .with_panel(
            lines("From creation to claim", *quantiles("mentu_pickup_seconds", 0.5, 0.95, 0.99), unit="s", span=8)
        )
    )


def _leases(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Leases"))
        .with_panel(
            lines(
                "Since an executor renewed its Lease",
                ("time() - (mentu_lease_renewed_timestamp_seconds > 0)", "{{instance}}"),
                ("1 - mentu_may_claim", "does not claim {{instance}}"),
                unit="s",
                span=8,
                about="After a lease time without renewal it claims nothing, and others may take its commands over.",
            )
        )
        .with_panel(
            lines(
                "Renewals",
                ("sum by (instance, result) (rate(mentu_lease_renewals_total[$__rate_interval]))", "{{result}}"),
                unit="ops",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Commands taken over",
                ("sum by (result) (increase(mentu_takeovers_total[$__rate_interval]))", "{{result}}"),
                span=8,
                about="Of executors that have died.",
            )
        )
    )


def _passes(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Passes"))
        .with_panel(
            lines(
                "Passes, by result",
                ("sum by (result) (rate(mentu_reconcile_total[$__rate_interval]))", "{{result}}"),
                unit="ops",
            )
        )
        .with_panel(lines("Time of a pass", *quantiles("mentu_reconcile_seconds", 0.5, 0.95, 0.99), unit="s"))
        .with_panel(
            lines(
                "Queue",
                ("sum by (instance) (mentu_queue_depth)", "{{instance}}: a pass"),
                ("sum by (instance) (mentu_starts_waiting)", "{{instance}}: a start"),
                ("sum by (instance, sort) (mentu_turns_waiting)", "{{instance}}: a turn to {{sort}}"),
            )
        )
        .with_panel(
            lines(
                "Wait for a worker",
                *quantiles("mentu_queue_wait_seconds", 0.5, 0.99),
                ("max(mentu_queue_oldest_seconds)", "oldest now"),
                unit="s",
            )
        )
    )


def _watches(board: Dashboard) -> Dashboard:
    return (
        board.with_row(row("Watches"))
        .with_panel(
            lines(
                "Since the API server answered a watch",
                ("time() - min by (kind) (mentu_last_watch_answer_timestamp_seconds)", "{{kind}}"),
                unit="s",
                about="A quiet watch is opened anew every five minutes: more than seven are too many.",
            )
        )
        .with_panel(
            lines(
                "Since a watch showed anything",
                ("time() - min by (kind) (mentu_last_watch_event_timestamp_seconds)", "{{kind}}"),
                unit="s",
                about="Long where nothing happens.",
            )
        )
    )


def _process(board: Dashboard) -> Dashboard:
    ours = "and on (instance, job) mentu_executor_capacity"
    return (
        board.with_row(row("Process"))
        .with_panel(lines("Memory", (f"process_resident_memory_bytes {ours}", "{{instance}}"), unit="bytes"))
        .with_panel(
            lines("CPU", (f"rate(process_cpu_seconds_total[$__rate_interval]) {ours}", "{{instance}}"), unit="short")
        )
    )
