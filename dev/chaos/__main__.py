"""python -m dev.chaos [--seed N | --schedules N [--first N] | --cluster]: the faults, and whether all holds."""

from __future__ import annotations

import argparse
import sys

from dev.chaos import rows
from dev.chaos.fates import Fate
from dev.chaos.running import reach, run_all, table, told

SCHEDULES = 2000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell one schedule in full")
    parser.add_argument("--schedules", type=int, help="only this many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--cluster", action="store_true", help="the rows that need a cluster too")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        lines = list(told(arguments.seed))
        print("\n".join(lines))
        return 0 if lines[-1] == "all holds" else 1
    holds = schedules(arguments.first, arguments.schedules or SCHEDULES)
    if arguments.schedules is None:
        holds = rows.all_hold(with_cluster=arguments.cluster) and holds
    return 0 if holds else 1


def schedules(first: int, count: int) -> bool:
    found = run_all(range(first, first + count))
    reach(found, Fate.KILLED_BEFORE, Fate.KILLED_AFTER)
    lacking = found.lacking(Fate.KILLED_BEFORE, Fate.KILLED_AFTER)
    print("\n".join(table(found)))
    for failure in found.failures:
        print(f"\n{failure}")
    for point, fate in lacking:
        print(f"not reached: {point}: {fate}")
    claims = f"{found.claims} claims, {found.takeovers} of them take-overs"
    print(f"{found.schedules} schedules, {claims}, {found.starts} starts of an agent: ", end="")
    holds = not found.failures and not lacking
    print("all hold" if holds else f"{len(found.failures)} failed, {len(lacking)} points not reached")
    return holds


if __name__ == "__main__":
    sys.exit(main())
