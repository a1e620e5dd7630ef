"""P5: how many lines a second, one pod flooding: from its program to the table, and into the table alone.

The peers: `kubectl logs -f` of a plain pod with the same program; a raw COPY and a raw executemany into the same
indexed table. Trials take the time for the same number of lines, so a ratio of times is the inverse of throughput's.

The flood is about a second of both, of which the way of the first line to the table, some 50 ms, is a twentieth. It is
not longer because of the peer: with the time stamps of the container runtime it is 8 MB, and beyond 10 MiB the kubelet
rotates the log while it is followed, after which what `kubectl logs -f` shows is no matter of its speed.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.postgres import PostgresServer

from bench import outcome, rounds
from bench.kube import Api
from bench.log_pods import Line, LogBench, log_bench, writer, written_at
from bench.log_tables import LINES as ROWS
from bench.log_tables import Tables
from bench.outcome import Case, Row
from bench.rounds import Tick

ROUNDS = 3 * rounds.LEAST_ROUNDS
NAMESPACE = "mentu-bench-flood"
FLOOD, SETTLE, PADDING = 60_000, 2.0, 60
FLOOD_SECONDS, TABLE_SECONDS = 200, 60
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB"}
OURS, KUBECTL, COPY, SQLITE = "operator", "kubectl logs -f", "raw COPY", "raw sqlite3"


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    postgres, sqlite = await _into_postgres(tick), await _into_sqlite(folder, tick)
    flood = await _flood(api, folder, tick)
    notes = {
        f"{case.what}: lines a second, ours (peer)": f"{_rate(case.ours, lines):,} ({_rate(case.theirs, lines):,})"
        for case, lines in ((flood, FLOOD), (postgres, ROWS), (sqlite, ROWS))
    }
    return Row("P5", "log throughput", (flood, postgres, sqlite), notes)


def _rate(milliseconds: tuple[float, ...], lines: int) -> int:
    return round(lines / sorted(milliseconds)[len(milliseconds) // 2] * 1000)


async def _flood(api: Api, folder: Path, tick: Tick) -> Case:
    program = writer(FLOOD, 0, SETTLE, PADDING)
    async with log_bench(api, folder, NAMESPACE) as bench:
        await bench.agent("flood", program)
        arms = [
            rounds.Arm(OURS, lambda: _ours(bench)),
            rounds.Arm(KUBECTL, lambda: _by_kubectl(bench, program)),
        ]
        sample = await rounds.measure(arms, rounds.LEAST_ROUNDS, tick, seconds=FLOOD_SECONDS)
    return outcome.case(f"one pod, {FLOOD:,} lines", sample, OURS, KUBECTL, outcome.at_least_throughput(0.8))


async def _ours(bench: LogBench) -> float:
    return took(await bench.ours("flood", FLOOD))


async def _by_kubectl(bench: LogBench, program: list[str]) -> float:
    return took(await bench.by_kubectl(program, FLOOD))


def took(lines: list[Line]) -> float:
    """From the moment when the first was written to the moment when the last could be read."""
    first = next(at for text, _ in lines if (at := written_at(text)) is not None)
    return lines[-1][1] - first


async def _into_postgres(tick: Tick) -> Case:
    with PostgresServer(**DURABLE) as server:
        tables = Tables(server.url(server.new_database()))
        await tables.open()
        arms = [rounds.Arm(OURS, tables.ours), rounds.Arm(COPY, tables.copy)]
        try:
            return await _table_case("Postgres", arms, COPY, 0.7, tick)
        finally:
            await tables.close()


async def _into_sqlite(folder: Path, tick: Tick) -> Case:
    tables = Tables(f"sqlite+aiosqlite:///{folder}/flood.db")
    await tables.open()
    arms = [rounds.Arm(OURS, tables.ours), rounds.Arm(SQLITE, tables.raw_sqlite)]
    try:
        return await _table_case("SQLite", arms, SQLITE, 0.8, tick)
    finally:
        await tables.close()


async def _table_case(name: str, arms: list[rounds.Arm], peer: str, share: float, tick: Tick) -> Case:
    for arm in arms:
        await arm.trial()
    sample = await rounds.measure(arms, rounds.LEAST_ROUNDS, tick, seconds=TABLE_SECONDS)
    return outcome.case(f"{name}, {ROWS:,} rows", sample, OURS, peer, outcome.at_least_throughput(share))
