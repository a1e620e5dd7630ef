"""A writer of log lines to be killed: it appends line after line of some attempts and prints what it was acknowledged.

python writer.py URL SEED LINES        reads "attempt seq" per line from standard input: where to go on
"""

import asyncio
import random
import sys
from datetime import UTC, datetime

from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine
from bugcommand_operator.store.spawn_logs import SpawnLogs

COMMAND = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"
START = datetime(2026, 1, 1, tzinfo=UTC)


def batch(attempt: int, first: int, last: int) -> LogBatch:
    lines = [LogLine(seq, "stdout", START, f"line {seq} of {attempt}") for seq in range(first, last + 1)]
    return LogBatch(AttemptKey("team-a", COMMAND, attempt), 1, "lab", lines, "shop", "uid-1")


async def main(url: str, seed: int, lines: int) -> None:
    reached = {int(attempt): int(seq) for attempt, seq in (line.split() for line in sys.stdin)}
    dice = random.Random(seed)
    store = SpawnLogs(open_writer(url, synchronous="NORMAL"))
    while open_ := [attempt for attempt, seq in reached.items() if seq < lines]:
        ends = {attempt: min(lines, reached[attempt] + dice.randint(1, 200)) for attempt in open_}
        # Now and then with some that are acknowledged already, as after a lost answer.
        group = [batch(a, max(1, reached[a] + 1 - dice.choice([0, 0, 0, 50])), end) for a, end in ends.items()]
        await store.append(group)
        reached.update(ends)
        for attempt, end in ends.items():
            sys.stdout.write(f"{attempt} {end}\n")
        sys.stdout.flush()
    sys.stdout.write("done\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
