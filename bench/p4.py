"""P4: from the moment when an agent writes a line to the moment when its row can be read.

The peer is `kubectl logs -f` on a plain pod with the same program. Lines come one by one, so each waits alone.
"""

from __future__ import annotations

from pathlib import Path

from bench import outcome, rounds
from bench.kube import Api
from bench.log_pods import Line, LogBench, log_bench, writer, written_at
from bench.outcome import Row
from bench.rounds import Tick
from bench.stats import percentile

ROUNDS = rounds.LEAST_ROUNDS
LONGEST_SECONDS = 200
NAMESPACE = "mentu-bench-lag"
LINES, PAUSE, SETTLE = 100, 0.03, 2.0
OURS, KUBECTL = "row", "kubectl logs -f"


def lags(lines: list[Line]) -> list[float]:
    """Seconds from writing to reading."""
    return [seen - at for text, seen in lines if (at := written_at(text)) is not None]


class Trials:
    """A trial is so many lines. It returns their median; the slowest in a hundred are kept beside it."""

    def __init__(self, bench: LogBench) -> None:
        self._bench = bench
        self.slowest: dict[str, list[float]] = {OURS: [], KUBECTL: []}

    async def ours(self) -> float:
        return self._kept(OURS, await self._bench.ours("writer", LINES))

    async def by_kubectl(self) -> float:
        return self._kept(KUBECTL, await self._bench.by_kubectl(writer(LINES, PAUSE, SETTLE), LINES))

    def _kept(self, arm: str, lines: list[Line]) -> float:
        found = lags(lines)
        self.slowest[arm].append(percentile(found, 0.99))
        return percentile(found, 0.5)


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with log_bench(api, folder, NAMESPACE) as bench:
        await bench.agent("writer", writer(LINES, PAUSE, SETTLE))
        trials = Trials(bench)
        arms = [rounds.Arm(OURS, trials.ours), rounds.Arm(KUBECTL, trials.by_kubectl)]
        for arm in arms:
            await arm.trial()
        for kept in trials.slowest.values():
            kept.clear()
        sample = await rounds.measure(arms, ROUNDS, tick, seconds=LONGEST_SECONDS)
    slowest = rounds.Sample(trials.slowest, 0, sample.quiet)
    cases = (
        outcome.case("line written → readable, p50 of 100", sample, OURS, KUBECTL, outcome.at_most_more(0.025)),
        outcome.case("line written → readable, p99 of 100", slowest, OURS, KUBECTL, outcome.at_most_more(0.12)),
    )
    return Row("P4", "line written → row visible", cases)
