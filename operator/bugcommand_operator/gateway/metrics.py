"""What Prometheus gets to see of the gateway; docs/metrics.md describes each. No label carries an object's name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAGS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


@dataclass(frozen=True)
class Metrics:
    """All of the gateway's metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    lines_stored: Counter = field(init=False)
    lines_repeated: Counter = field(init=False)
    batches: Counter = field(init=False)
    batch_seconds: Histogram = field(init=False)
    commit_seconds: Histogram = field(init=False)
    lag_seconds: Histogram = field(init=False)
    rejects: Counter = field(init=False)
    redactions: Counter = field(init=False)
    lines_truncated: Counter = field(init=False)
    reads_refused: Counter = field(init=False)
    job_runs: Counter = field(init=False)
    job_seconds: Histogram = field(init=False)
    pending_bytes: Gauge = field(init=False)
    store_up: Gauge = field(init=False)

    def __post_init__(self) -> None:
        for name, metric in _metrics(self.registry).items():
            object.__setattr__(self, name, metric)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)


def _metrics(registry: CollectorRegistry) -> dict[str, Counter | Gauge | Histogram]:
    def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"mentu_{name}", text, labels, registry=registry)

    def histogram(
        name: str, text: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(f"mentu_{name}", text, labels, buckets=buckets, registry=registry)

    def gauge(name: str, text: str) -> Gauge:
        return Gauge(f"mentu_{name}", text, registry=registry)

    return {
        "lines_stored": counter("log_lines_stored_total", "Log lines committed to spawn_logs."),
        "lines_repeated": counter("log_lines_repeated_total", "Log lines that were sent again and were already there."),
        "lines_truncated": counter(
            "log_lines_truncated_total", "Log lines that were acknowledged but not kept: their attempt's log is full."
        ),
        "batches": counter("log_batches_total", "Batches of log lines acknowledged after their commit."),
        "batch_seconds": histogram(
            "log_batch_seconds", "Time from a batch's arrival in full to its commit, in seconds."
        ),
        "commit_seconds": histogram("log_commit_seconds", "Time that a commit of log lines took, in seconds."),
        "lag_seconds": histogram(
            "log_lag_seconds",
            "From the time of a batch's last line, by its sender's clock, to the batch's commit.",
            buckets=_LAGS,
        ),
        "rejects": counter(
            "log_rejects_total", "Requests to the log intake that were refused, by reason.", ("reason",)
        ),
        "redactions": counter("log_redactions_total", "Token shapes that were replaced in log lines."),
        "reads_refused": counter("log_reads_refused_total", "Requests below /rest/v1 that were refused.", ("code",)),
        "job_runs": counter("store_job_runs_total", "Runs of the store's periodic jobs.", ("task", "result")),
        "job_seconds": histogram("store_job_seconds", "Time that a run of a periodic job took.", ("task",)),
        "pending_bytes": gauge("log_pending_bytes", "Bytes of requests that are being read or wait for a commit."),
        "store_up": gauge("store_up", "1 when the last write to the store and the last check of it succeeded, else 0."),
    }


class ReadCounter(Collector):
    """A counter that is kept elsewhere, read at each scrape."""

    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._text, value=self._read())
