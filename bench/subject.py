"""A program under load: what it takes of processor and memory, what its metrics say, and its sudden end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import noop_kopf
from bench.executor import executor
from bench.programs import free_port, program, says

MIB = 1024
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@dataclass(frozen=True)
class Subject:
    pid: int
    metrics: int = 0
    """The port; 0: it tells none."""

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self) -> float:
        return self._status("VmRSS") / MIB

    def peak_mib(self) -> float:
        return self._status("VmHWM") / MIB

    def _status(self, field: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))

    async def metric(self, name: str, **labels: str) -> float:
        """Asked for alone: with thousands of commands the rest takes the program 18 ms, each time. What is
        read from the commands at a scrape (`world_metrics.py`) can not be asked for so."""
        url = f"http://127.0.0.1:{self.metrics}/metrics?name[]={name}"
        async with asyncio.timeout(10), aiohttp.ClientSession() as session, session.get(url) as answer:
            return total(await answer.text(), name, labels)

    async def core_share(self, seconds: float) -> float:
        """Of one core, over so long."""
        before = self.cpu_seconds()
        await asyncio.sleep(seconds)
        return (self.cpu_seconds() - before) / seconds

    async def kill(self) -> None:
        """As out of memory: without a word."""
        os.kill(self.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while self.is_there():  # noqa: ASYNC110 - the end of another's child announces nothing
                await asyncio.sleep(0.01)

    def is_there(self) -> bool:
        """A process that has ended but was not reaped has no command line any more."""
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_bytes() != b""
        except OSError:
            return False


def total(text: str, name: str, labels: dict[str, str]) -> float:
    """The sum over all series of that name that have these labels."""
    found = (match.groups() for line in text.splitlines() if (match := SAMPLE.match(line)))
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    of_name = ((have or "", value) for series, have, value in found if series == name)
    return sum(float(value) for have, value in of_name if all(label in have for label in wanted))


@asynccontextmanager
async def executor_subject(folder: Path, namespace: str, limit: int) -> AsyncIterator[Subject]:
    metrics = free_port()
    env = {"MENTU_METRICS_PORT": str(metrics), "MENTU_CONCURRENCY_LIMIT": str(limit)}
    async with executor(folder, namespace, env) as pid:
        yield Subject(pid, metrics)


@asynccontextmanager
async def noop_subject(folder: Path, namespace: str, commands: int) -> AsyncIterator[Subject]:
    """A kopf operator with the same watches that does nothing; begins once it has been shown so many commands."""
    log = folder / "noop.log"
    shown = says(noop_kopf.SHOWN, log)
    async with program(["-m", "bench.noop_kopf", namespace, str(commands)], {}, log, shown) as pid:
        yield Subject(pid)
