"""What a scale run has found, and which of it is a fault. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.census import OVER, Census
from bench.load import Fitted
from bench.outcome import Figure, Row
from bench.stats import percentile

BARE_CLAIMS = "bare claims"
MOST_MIB, MOST_RESTART, MOST_BURST = 350, 10, 20


@dataclass
class Found:
    """What was measured on the way."""

    reconciled: float = 0.0
    known: int = 0
    """Commands that were there as the executor was started again."""
    peak_mib: list[float] = field(default_factory=list)
    most_running: int = 0
    most_present: int = 0
    cpu_seconds: float = 0.0
    unended: int = 0
    burst_seconds: float = 0.0
    bare_burst_seconds: float | None = None
    waits: list[float] = field(default_factory=list)
    """In the steady load, from a command's first event to that of its claim."""


def row(load: Fitted, census: Census, found: Found) -> Row:
    return Row("SCALE", "many at once", tuple(_figures(load, census, found)), _notes(load, census, found))


def _figures(load: Fitted, census: Census, found: Found) -> list[Figure]:
    executed, resting, burst = census.executed(), census.resting(), load.asked.burst
    failed = sum(life.phase in OVER - {"Succeeded"} for life in executed)
    begun = sum(census.has_begun(life) for life in resting)
    claimed = f"burst of {burst:,}, all claimed"
    restart = f"killed under load with {found.known:,} there, a pass over each command"
    return [
        Figure("commands executed twice", "commands", census.executed_twice, 0, len(census.lives)),
        Figure("commands that did not end", "commands", found.unended, 0, len(executed)),
        Figure("commands that did not succeed", "commands", failed, 0, len(executed)),
        *([Figure("suspended commands that were started", "commands", begun, 0, len(resting))] if resting else []),
        Figure(claimed, "s", found.burst_seconds, MOST_BURST, burst, True, BARE_CLAIMS, found.bare_burst_seconds),
        Figure(restart, "s", found.reconciled, MOST_RESTART, found.known, True),
        Figure("memory, at most", "MiB", max(found.peak_mib), MOST_MIB, len(found.peak_mib)),
    ]


def _notes(load: Fitted, census: Census, found: Found) -> dict[str, object]:
    executed, asked = len(census.executed()), load.asked
    return {
        "asked for": f"{asked.rate:g} a second for {asked.minutes:g} min, "
        f"{asked.running:,} running, {asked.total:,} there",
        "run": f"{load.rate:.3g} a second for {load.minutes:.3g} min, agents of {load.seconds:.0f} s: {load.reason}",
        "Jobs a second, same pod and volume": "not measured" if load.jobs is None else round(load.jobs, 1),
        "commands": f"{executed:,} executed, {len(census.resting()):,} suspended throughout; "
        f"at most {found.most_present:,} there",
        "agents at a time, at most": f"{found.most_running:,}",
        "seen → claimed, p50 / p99 (ms)": " / ".join(f"{percentile(found.waits, p) * 1000:.0f}" for p in (0.5, 0.99)),
        "executor's CPU per command (ms)": round(found.cpu_seconds / executed * 1000, 1),
    }
