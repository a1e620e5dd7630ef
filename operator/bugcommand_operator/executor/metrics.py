"""What the executor tells Prometheus. No label carries an object's name."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.core.observed import Command

PASSES = Counter("mentu_reconcile_total", "Passes over commands, by how they went.", ["result"])
PASS_SECONDS = Histogram(
    "mentu_reconcile_seconds",
    "Time of one pass over one command.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUE_DEPTH = Gauge("mentu_queue_depth", "Commands that wait for a pass or are in one.")
LEASE_RENEWALS = Counter("mentu_lease_renewals_total", "Renewals of the executor's own Lease, by result.", ["result"])
LEASE_RENEWED = Gauge("mentu_lease_renewed_timestamp_seconds", "When the executor's own Lease was last renewed.")
LIVE_EXECUTORS = Gauge("mentu_executors_alive", "Executors that this one takes to be alive, itself among them.")
MAY_CLAIM = Gauge("mentu_may_claim", "1 while the executor claims commands: its own Lease is held.")
TAKEOVERS = Counter("mentu_takeovers_total", "Tries to take over a command of a dead executor, by result.", ["result"])
CLAIMS = Counter("mentu_claims_total", "Attempts to claim a command, by result.", ["result"])
PICKUP_SECONDS = Histogram(
    "mentu_pickup_seconds",
    "From a command's creation (whole seconds) to its claim.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
FINISHED = Counter("mentu_finished_total", "Commands that have ended, by phase and reason.", ["phase", "reason"])
LAST_EVENT = Gauge(
    "mentu_last_watch_event_timestamp_seconds", "When the watch of a kind last showed anything.", ["kind"]
)


def count_claim(command: Command, *, won: bool, now: datetime) -> None:
    CLAIMS.labels("won" if won else "lost").inc()
    if won:
        PICKUP_SECONDS.observe(max((now - command.created_at).total_seconds(), 0))


def count_takeover(*, won: bool) -> None:
    TAKEOVERS.labels("won" if won else "lost").inc()


def count_end(command: Command) -> None:
    """`command` as it is once it has ended."""
    reason = next((c.reason for c in command.status.conditions if c.type == ConditionType.SUCCEEDED), "")
    FINISHED.labels(str(command.status.phase), reason).inc()
