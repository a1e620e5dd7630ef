"""P12: the gateway's pages against raw SQL, and how late the last of five hundred live readers sees a line.

A page is a thousand rows of a command's log, as JSON over HTTP; raw SQL is the same query by a driver, its rows read.
Live readers are connections of server-sent events, all to one gateway, all following one command.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psycopg
from tests.support.postgres import PostgresServer
from tests.unit.gateway.fake_cluster import FakeCluster

from bench import log_tables, outcome, rounds
from bench.outcome import Figure, Row
from bench.programs import free_port, program
from bench.rounds import Tick
from bench.servers import answers
from bench.stats import percentile

ROUNDS = rounds.LEAST_ROUNDS
PAGE, PAGES = 1000, 20
READERS, LINES, PAUSE = 500, 60, 0.1
COMMAND = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a12"
SENDER, READER = "sender", "reader-of-the-bench"
GATEWAY, RAW = "gateway", "raw SQL"
QUERY = "SELECT * FROM spawn_logs WHERE command_id = %s ORDER BY ts, seq LIMIT %s OFFSET %s"


@dataclass
class Bench:
    url: str
    database: str
    command_id: str

    async def pages(self) -> float:
        """The time that one page takes, of several one after the other."""
        query = f"/rest/v1/spawn_logs?command_id=eq.{self.command_id}&order=ts.asc,seq.asc&limit={PAGE}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {READER}"}) as session:
            began = time.perf_counter()
            for number in range(PAGES):
                async with session.get(f"{self.url}{query}&offset={number * PAGE}") as response:
                    body = await response.read()
                    told = response.headers.get("Content-Range", "").partition("/")[0]
                    if told != f"{number * PAGE}-{number * PAGE + PAGE - 1}":
                        raise RuntimeError(f"a page {told}: {response.status} {body!r:.300}")
            return (time.perf_counter() - began) / PAGES

    async def raw(self) -> float:
        async with await psycopg.AsyncConnection.connect(self.database) as connection:
            began = time.perf_counter()
            for number in range(PAGES):
                cursor = await connection.execute(QUERY, (self.command_id, PAGE, number * PAGE))
                if len(await cursor.fetchall()) != PAGE:
                    raise RuntimeError("a page is not whole")
            return (time.perf_counter() - began) / PAGES


async def measure(folder: Path, tick: Tick) -> Row:
    async with _bench(folder) as bench:
        arms = [rounds.Arm(GATEWAY, bench.pages), rounds.Arm(RAW, bench.raw)]
        for arm in arms:
            await arm.trial()
        sample = await rounds.measure(arms, ROUNDS, tick, seconds=60)
        lags = await _live(bench.url)
    cases = (
        outcome.case(f"page of {PAGE:,} rows", sample, GATEWAY, RAW, outcome.at_most(2)),
        Figure(f"line sent → read by {READERS} live readers, p99", "ms", percentile(lags, 0.99) * 1000, 250, len(lags)),
    )
    shown = f"{percentile(lags, 0.5) * 1000:.0f} ms"
    return Row("P12", "the gateway's pages and live readers", cases, {"live readers, p50": shown})


@asynccontextmanager
async def _bench(folder: Path) -> AsyncIterator[Bench]:
    tokens = folder / "tokens.yaml"
    tokens.write_text(json.dumps([{"name": "bench", "token": READER, "namespace": "bench"}]))
    with FakeCluster() as cluster, PostgresServer() as server:
        cluster.add(SENDER, COMMAND, 1, "bench")
        url = server.url(server.new_database())
        tables = log_tables.Tables(url)
        await tables.open()
        await tables.ours()
        await tables.close()
        server.execute("ANALYZE", url.rpartition("/")[2])  # as its autovacuum does after a minute
        port = free_port()
        settings = {
            "MENTU_HOST": "127.0.0.1",
            "MENTU_PORT": str(port),
            "MENTU_DATABASE_URL": url,
            "MENTU_KUBECONFIG": str(cluster.kubeconfig(folder)),
            "MENTU_PROXY_TOKENS_FILE": str(tokens),
            "MENTU_MAX_CONNECTIONS_PER_CLIENT": str(READERS * 2),
        }
        address = f"http://127.0.0.1:{port}"
        arguments = ["-m", "bugcommand_operator.gateway.main"]
        async with program(arguments, settings, folder / "pages.log", lambda: answers(f"{address}/readyz")):
            yield Bench(address, url.replace("+psycopg", ""), tables.command_id)


async def _live(url: str) -> list[float]:
    """The readers are a process of their own, else their work would be in what they measure twice."""
    arguments = ("-m", "bench.live_readers", url, READER, COMMAND, str(READERS), str(LINES))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        ready = await process.stdout.readline()
        if ready != b"ready\n":
            raise RuntimeError(f"the live readers did not start: {ready!r}")
        sent = await _send_lines(url)
        seen = json.loads(await process.stdout.read())
        await process.wait()
    if len(seen) != READERS * LINES:
        raise RuntimeError(f"{len(seen)} of {READERS * LINES} lines were seen")
    return [at - sent[seq] for seq, at in seen]


async def _send_lines(url: str) -> dict[int, float]:
    """By sequence: when each was sent."""
    sent: dict[int, float] = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SENDER}"}) as session:
        for seq in range(1, LINES + 1):
            line = {"seq": seq, "stream": "stdout", "ts": f"2026-01-01T00:00:00.{seq:06}Z", "message": f"line {seq}"}
            body = {"commandId": COMMAND, "attempt": 1, "epoch": 1, "machineId": "bench", "lines": [line]}
            sent[seq] = time.perf_counter()
            async with session.post(f"{url}/intake/v1/logs", json=body) as response:
                if response.status != 200:
                    raise RuntimeError(await response.text())
            await asyncio.sleep(PAUSE)
    return sent
