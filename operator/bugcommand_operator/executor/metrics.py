"""What the executor tells Prometheus. No label carries an object's name."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PASSES = Counter("mentu_reconcile_total", "Passes over commands, by how they went.", ["result"])
PASS_SECONDS = Histogram(
    "mentu_reconcile_seconds",
    "Time of one pass over one command.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUE_DEPTH = Gauge("mentu_queue_depth", "Commands that wait for a pass or are in one.")
COMMANDS = Gauge("mentu_commands", "Commands in the executor's view, by phase.", ["phase"])
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
