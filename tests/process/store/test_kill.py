"""Writers that are killed at any moment: what they were acknowledged is there, once, whoever goes on after them."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.process.store.writer import COMMAND

from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.lines import AttemptKey, Progress
from bugcommand_operator.store.migrate import upgrade
from bugcommand_operator.store.spawn_logs import SpawnLogs

ROOT = Path(__file__).parents[3]
ATTEMPTS = (1, 2, 3)
LINES = 10_000
KILLS = 6


def start(url: str, seed: int, reached: dict[int, int]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
    program = [sys.executable, str(Path(__file__).with_name("writer.py")), url, str(seed), str(LINES)]
    writer = subprocess.Popen(program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdin is not None
    writer.stdin.write("".join(f"{attempt} {seq}\n" for attempt, seq in reached.items()))
    writer.stdin.close()
    return writer


def run_until(writer: "subprocess.Popen[str]", reached: dict[int, int], answers: float) -> bool:
    """Note what is acknowledged; kill the writer after so many answers. Whether it came to its end before."""
    assert writer.stdout is not None
    for number, said in enumerate(writer.stdout, 1):
        if said == "done\n":
            return writer.wait(30) == 0
        attempt, seq = map(int, said.split())
        reached[attempt] = seq
        if number >= answers:
            time.sleep(random.Random(number).random() / 200)  # into the next commit, wherever that is
            writer.kill()
    writer.wait(30)
    return False


async def stored(url: str) -> tuple[dict[int, list[int]], dict[int, Progress]]:
    engine = open_reader(url)
    reader = SpawnLogs(engine)
    keys = {attempt: AttemptKey("team-a", COMMAND, attempt) for attempt in ATTEMPTS}
    seqs = {attempt: [line.seq for line in await reader.tail(key, 10 * LINES)] for attempt, key in keys.items()}
    progress = await reader.progress([COMMAND])
    await engine.dispose()
    return seqs, {attempt: progress[key] for attempt, key in keys.items()}


def test_writers_that_are_killed_lose_and_double_nothing(store_url: str) -> None:
    writers = 1 if store_url.startswith("sqlite") else 2  # SQLite has one writing process
    asyncio.run(upgrade(store_url))
    dice, kills = random.Random(7), 0
    reached = [dict.fromkeys(ATTEMPTS, 0) for _ in range(writers)]
    unfinished = set(range(writers))
    while unfinished:
        running = {index: start(store_url, kills + index, reached[index]) for index in unfinished}
        for index, writer in running.items():
            answers = dice.randint(1, 50) if kills < KILLS else float("inf")
            if run_until(writer, reached[index], answers):
                unfinished.discard(index)
            else:
                kills += 1
                assert writer.returncode == -9, "it was we who ended it"

    seqs, progress = asyncio.run(stored(store_url))
    assert kills >= KILLS
    for attempt in ATTEMPTS:
        assert seqs[attempt] == list(range(1, LINES + 1))
        assert progress[attempt] == Progress(LINES, LINES)
